package live

import (
	"time"

	"github.com/etcdtap/etcdtap/capture"
)

// pace holds packets back where being woken for them would cost more than reading them. Under a heavy load the kernel hands a block over
// every few hundred microseconds; then one wake-up serves for all of a while. Where the kernel itself takes longer to fill a block, or
// holds packets back because there are few, nothing changes.
type pace struct {
	age    int64 // nanoseconds: the while
	calm   int64 // packets until then need no look at the clock
	caught int64 // when a look found us up to date
}

// newPace takes for the while what 1 GB/s takes to fill a quarter of the buffer: 4 ms for the default. Half of it costs a tenth more.
func newPace(buffer int) pace { return pace{age: int64(buffer) / 4} }

// wait waits for the while where p is no older than that, and so was the packet of the look before: then we are woken too often. It waits
// once for all packets of that while, never for each.
func (c *pace) wait(p *capture.Packet) {
	if p.Time <= c.calm {
		return
	}
	now := time.Now().UnixNano()
	if p.Time <= now-c.age { // there is more to read than there is time to wait
		c.calm = now - c.age
		return
	}
	often := now-c.caught < c.age
	c.calm, c.caught = now, now
	if often {
		time.Sleep(time.Duration(c.age))
		c.caught += c.age
	}
}

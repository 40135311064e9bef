package live

import (
	"time"

	"github.com/etcdtap/etcdtap/capture"
)

// pace holds packets back until they are of a certain age. Under load the kernel hands a block over every few hundred
// microseconds, and to be woken for each costs more than to read it; so one wake-up serves for several. When there is little to do it
// changes nothing: the kernel itself holds packets back for longer.
type pace struct {
	age int64 // nanoseconds
	now int64 // as looked up last
}

// newPace holds packets back for as long as 2 GB/s take to fill a quarter of the buffer: 2 ms for the default.
func newPace(buffer int) pace { return pace{age: int64(buffer) / 8} }

// wait waits until p is old enough, for no longer than that age, whatever the clock says.
func (c *pace) wait(p *capture.Packet) {
	if p.Time <= c.now-c.age {
		return
	}
	c.now = time.Now().UnixNano()
	left := p.Time + c.age - c.now
	if left <= 0 || left > c.age {
		return
	}
	time.Sleep(time.Duration(left))
	c.now += left
}

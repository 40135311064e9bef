package proxy

import (
	"sync/atomic"
	"time"
)

// sayAgain is how long a message that clients can cause at will is not repeated. They are counted all the same.
const sayAgain = 10 * time.Second

// told is when such messages were last logged.
type told struct{ pause, shortage, overLimit, header once }

type once struct{ next atomic.Int64 } // in Unix nanoseconds

// ok reports whether it is time to say it again.
func (o *once) ok(now time.Time) bool {
	next := o.next.Load()
	return now.UnixNano() >= next && o.next.CompareAndSwap(next, now.Add(sayAgain).UnixNano())
}

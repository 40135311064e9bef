//go:build unix && !linux

package proxy

import "github.com/etcdtap/etcdtap/analysis"

// pipe is what splice moves bytes through, where there is splice.
type pipe struct{ bytes int }

func (p *pipe) close() {}

// splice does not exist here: bulk goes through the loop's buffer, too.
func (c *conn) splice(d analysis.Direction) {
	c.side[d].bulk = false
	c.forward(d)
}

func (c *conn) drain(analysis.Direction) {}

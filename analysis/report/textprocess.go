package report

import "github.com/etcdtap/etcdtap/analysis"

// process writes who opened a connection, where that was asked. That it is not known is said of failures only: why is the same for
// most connections, and the healthy are many.
func (t *Text) process(c *analysis.Connection) {
	if c.Outgoing.IsValid() && c.Worst() != nil {
		t.paragraph("through the proxy, whose address towards the server was "+c.Outgoing.String(), indent, indent+"  ", dim)
	}
	p := c.Process
	if p == nil || !p.Known && c.Worst() == nil {
		return
	}
	text := "client: " + p.Identity()
	if p.Known && len(p.Args) > 1 {
		text += ": " + p.CommandLine()
	}
	t.paragraph(printable(text), indent, indent+"  ", dim)
}

// commandOf is what tells one client program from another; "" when it is not known.
func commandOf(c *analysis.Connection) string {
	if c.Process == nil {
		return ""
	}
	return c.Process.Command
}

package main

import (
	"runtime"
	"time"

	"github.com/etcdtap/etcdtap/capture/live"
	"github.com/etcdtap/etcdtap/capture/privilege"
	"github.com/etcdtap/etcdtap/capture/savefile"
)

// openWriter creates the file that packets are written to.
func (c *capturer) openWriter(filter string) error {
	f := &c.flags.write
	o := savefile.Options{Name: f.name, Stdout: c.env.stdout, Host: hostText(), Hardware: runtime.GOARCH, Tool: "etcdtap " + versionText(),
		HandshakesOnly: f.handshakes, RotateSize: int64(f.size) * 1_000_000, RotateEvery: time.Duration(f.every) * time.Second, Files: f.files, Unbuffered: f.unbuffered}
	for _, i := range c.source.Interfaces() {
		o.Interfaces = append(o.Interfaces, savefile.Interface{Name: i.Name, Link: i.Link, SnapLength: i.SnapLen, Filter: filter})
	}
	uid, gid, change, err := privilege.Target(c.flags.user)
	if err != nil {
		return err
	}
	if change {
		o.UID, o.GID = &uid, &gid
	}
	c.writer, err = savefile.Create(o)
	return err
}

// writeStats tells the file what was dropped.
func (c *capturer) writeStats(stats *live.Stats) {
	for i, s := range stats.Interfaces {
		c.writer.SetStats(i, savefile.Stats{Received: s.Received, Dropped: s.Dropped, InterfaceDropped: s.IfDropped})
	}
}

package privilege

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

func TestAdvice(t *testing.T) {
	for name, c := range map[string]struct {
		in   situation
		want []string
	}{
		"host":           {situation{executable: "/usr/local/bin/etcdtap", bounding: true}, []string{"once:  sudo setcap cap_net_raw=ep /usr/local/bin/etcdtap\n"}},
		"odd path":       {situation{executable: "/home/o'neil/my tools/etcdtap", bounding: true}, []string{`sudo setcap cap_net_raw=ep '/home/o'\''neil/my tools/etcdtap'` + "\n"}},
		"bounding set":   {situation{executable: "/e", noNewPrivs: true}, []string{"sudo setcap cap_net_raw=ep /e)", "bounding set"}},
		"no new":         {situation{executable: "/e", bounding: true, noNewPrivs: true}, []string{"allowPrivilegeEscalation"}},
		"nosuid":         {situation{executable: "/e", bounding: true, noSUID: true}, []string{"nosuid; copy it"}},
		"no executable":  {situation{bounding: true}, []string{"setcap cap_net_raw=ep /path/to/etcdtap"}},
		"other ways too": {situation{bounding: true}, []string{"capabilities: {add: [NET_RAW], drop: [ALL]}", "tcpdump -i any -s 0 -w", "etcdtap proxy"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := advice(c.in)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
		})
	}
}

func TestAdviceIsForWhoMayNot(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"none":       {nil, false},
		"no device":  {syscall.ENODEV, false},
		"EPERM":      {fmt.Errorf("opening eth0: %w", syscall.EPERM), true},
		"EACCES":     {&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, true},
		"libpcap":    {errors.New("eth0: You don't have permission to perform this capture on that device (socket: Operation not permitted)"), true},
		"advised on": {fmt.Errorf("eth0: %w: %w", ErrMissing, syscall.EPERM), false},
	} {
		t.Run(name, func(t *testing.T) {
			got := Advice(c.err)
			if more := got != c.err; more != c.want {
				t.Fatalf("got %v", got)
			}
			if c.want && (!errors.Is(got, c.err) || !errors.Is(got, ErrMissing) || !strings.Contains(got.Error(), "setcap cap_net_raw=ep /")) {
				t.Errorf("got %v", got)
			}
		})
	}
}

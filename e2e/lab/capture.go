package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// captureSettle is how long the kernel may take to hand tcpdump the last packets.
const captureSettle = 300 * time.Millisecond

// captureBuffer is the kernel's buffer in KiB. In immediate mode a packet takes a whole snapshot length of 256 KiB there.
const captureBuffer = "65536"

// Capture is a running tcpdump.
type Capture struct {
	cmd    *exec.Cmd
	stderr strings.Builder
	done   chan struct{} // closed when stderr has ended
}

// StartCapture captures on loopback what filter lets through, whole packets, into file. It returns when tcpdump listens.
func StartCapture(file, filter string) (*Capture, error) {
	if err := Missing("tcpdump"); err != nil {
		return nil, err
	}
	c := &Capture{done: make(chan struct{})}
	c.cmd = exec.Command("tcpdump", "-i", "lo", "-n", "-U", "--immediate-mode", "-s", "0", "-B", captureBuffer, "-Z", "root",
		"-w", file, filter)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting tcpdump: %w", err)
	}
	listening := make(chan bool, 1)
	go func() {
		defer close(c.done)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			c.stderr.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "listening on") {
				listening <- true
			}
		}
		listening <- false
	}()
	if !<-listening {
		<-c.done
		return nil, fmt.Errorf("tcpdump does not capture (root or CAP_NET_RAW needed): %w\n%s", c.cmd.Wait(), c.stderr.String())
	}
	return c, nil
}

// Stop waits for the last packets, ends tcpdump and says if it lost any.
func (c *Capture) Stop() error {
	time.Sleep(captureSettle)
	c.cmd.Process.Signal(os.Interrupt)
	<-c.done
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("tcpdump: %w\n%s", err, c.stderr.String())
	}
	if !strings.Contains(c.stderr.String(), "\n0 packets dropped by kernel") {
		return errors.New("tcpdump lost packets:\n" + c.stderr.String())
	}
	return nil
}

// AnyRefused says whether some SYN in the capture was answered by RST: such an RST, and no other, has sequence number 0.
func AnyRefused(ctx context.Context, file string) (bool, error) {
	filter := "tcp[tcpflags] == (tcp-rst|tcp-ack) and tcp[4:4] == 0"
	out, err := exec.CommandContext(ctx, "tcpdump", "-n", "-r", file, filter).Output()
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", file, err)
	}
	return len(out) > 0, nil
}

package live

import (
	"cmp"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Device is an interface that packets can be captured from.
type Device struct {
	Name        string
	Description string   // "" for most
	Addresses   []string // with their prefix length: "10.0.0.7/24"
	Up          bool     // switched on
	Running     bool     // and connected
	Loopback    bool
}

// Devices lists the interfaces of this host as tcpdump -D does and in its order: those that are up and running first, "any" and
// loopback after the others of their state.
func Devices() ([]Device, error) { return DevicesIn("") }

// DevicesIn is Devices for the network namespace at a path; "" is our own.
func DevicesIn(netns string) ([]Device, error) {
	var devices []Device
	err := within(netns, func() (err error) {
		devices, err = list()
		return err
	})
	return devices, err
}

func list() ([]Device, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	var devices []Device
	if runtime.GOOS == "linux" {
		devices = append(devices, Device{Name: Any, Description: "all interfaces", Up: true, Running: true})
	}
	for _, i := range interfaces {
		d := Device{
			Name:     i.Name,
			Up:       i.Flags&net.FlagUp != 0,
			Running:  i.Flags&net.FlagRunning != 0,
			Loopback: i.Flags&net.FlagLoopback != 0,
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it has vanished since
		}
		for _, a := range addresses {
			d.Addresses = append(d.Addresses, a.String())
		}
		devices = append(devices, d)
	}
	slices.SortStableFunc(devices, func(a, b Device) int { return cmp.Compare(a.rank(), b.rank()) })
	return devices, nil
}

// rank orders devices, the lowest first, as libpcap's get_figure_of_merit does (pcap.c).
func (d *Device) rank() uint64 {
	digits := strings.TrimLeft(d.Name[len(strings.TrimRight(d.Name, "0123456789")):], "0")
	rank, _ := strconv.ParseUint(digits, 10, 16)
	for bit, worse := range map[int]bool{35: !d.Running, 34: !d.Up, 33: d.Loopback, 32: d.Name == Any} {
		if worse {
			rank |= 1 << bit
		}
	}
	return rank
}

// byNumber gives the name of an interface that may be given by its number in the list of devices, counted from 1.
func byNumber(name, netns string) (string, error) {
	n, err := strconv.Atoi(name)
	if err != nil {
		return name, nil
	}
	devices, err := DevicesIn(netns)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(devices, func(d Device) bool { return d.Name == name }) || n < 1 || n > len(devices) {
		return name, nil
	}
	return devices[n-1].Name, nil
}

package analysis

import "strings"

// Process is what owned a client's socket on this host when the connection was opened, or why that is not known. All its texts come
// from other processes and are raw. Whoever fills it in bounds it and takes the secrets out of Args.
type Process struct {
	Known bool   // the process was found: PID and what follows are valid
	Why   string // why it was not, in our own words; "" iff Known

	UID      uint32 // the user who made the socket; valid iff UIDKnown
	UIDKnown bool   // may be true where the process is not known

	PID        int
	Command    string   // as in /proc/PID/comm: the kernel keeps 15 bytes
	Executable string   // path as the process sees it; "" when it may not be read
	Args       []string // with the program's name, cut, secrets taken out; none when they may not be read
	Container  string   // id; "" outside containers
	Pod        string   // uid of the Kubernetes pod; "" outside pods
	Unit       string   // systemd unit; "" when there is none
}

// Identity is the process in one line, escaped: "pid 1234 etcdctl (uid 0, unit kubelet.service)", or why it is not known.
func (p *Process) Identity() string {
	if !p.Known {
		if p.UIDKnown && !strings.Contains(p.Why, "uid") {
			return "process of uid " + itoa(int64(p.UID)) + " unknown: " + brief(p.Why)
		}
		return "process unknown: " + brief(p.Why)
	}
	s := "pid " + itoa(p.PID)
	if p.Command != "" {
		s += " " + brief(p.Command)
	}
	var more []string
	if p.UIDKnown {
		more = append(more, "uid "+itoa(int64(p.UID)))
	}
	for _, of := range [...]struct{ what, name string }{{"unit ", p.Unit}, {"pod ", p.Pod}, {"container ", shortContainer(p.Container)}} {
		if of.name != "" {
			more = append(more, of.what+brief(of.name))
		}
	}
	if len(more) > 0 {
		s += " (" + strings.Join(more, ", ") + ")"
	}
	return s
}

// CommandLine is Args for people: escaped, with a blank between each. It is "" when they are not known.
func (p *Process) CommandLine() string {
	var b strings.Builder
	for i, a := range p.Args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if a == "" || strings.ContainsAny(a, " \t\n\"'") {
			b.WriteString("'" + brief(a) + "'")
			continue
		}
		b.WriteString(brief(a))
	}
	return b.String()
}

// shortContainer cuts an id of 64 digits to the 12 that docker, crictl and nerdctl show and take.
func shortContainer(id string) string {
	if len(id) == 64 && strings.Trim(id, "0123456789abcdef") == "" {
		return id[:12]
	}
	return id
}

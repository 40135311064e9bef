package etcdlog

import "bytes"

// partial joins the lines that a container runtime has split: "TIME stderr P
// first", "TIME stderr F last" (Kubernetes' CRI logging format). It holds at
// most MaxLine bytes for each stream.
type partial struct {
	stdout, stderr []byte
}

// join gives the whole line that ends with b; ok is false while parts are to come.
func (p *partial) join(b []byte) (whole []byte, ok bool) {
	content, mark, isCRI := criLine(b)
	if !isCRI {
		return b, true
	}
	held := &p.stderr
	if mark.stdout {
		held = &p.stdout
	}
	switch {
	case mark.more && len(*held) == 0:
		// The head of the first part is kept, with F in the place of P.
		*held = append((*held)[:0], b...)
		(*held)[len(b)-len(content)-2] = 'F'
		return nil, false
	case len(*held) > 0:
		room := max(MaxLine-len(*held), 0)
		*held = append(*held, content[:min(len(content), room)]...)
		if mark.more {
			return nil, false
		}
		whole = *held
		*held = (*held)[:0]
		return whole, true
	}
	return b, true
}

// criMark is what a CRI line says of its content.
type criMark struct {
	stdout bool
	more   bool // P: the line goes on
}

// criLine recognises a CRI line by its shape alone: it runs for every line.
func criLine(b []byte) (content []byte, mark criMark, ok bool) {
	const shortest = len("2026-11-23T07:38:18Z stderr F ")
	if len(b) < shortest || b[4] != '-' || b[10] != 'T' {
		return nil, mark, false
	}
	i := bytes.IndexByte(b[:min(len(b), 40)], ' ')
	if i < 0 {
		return nil, mark, false
	}
	return criContent(b[i:])
}

// criContent takes " stderr F " off rest.
func criContent(rest []byte) (content []byte, mark criMark, ok bool) {
	const stream = len(" stderr ")
	if len(rest) < stream+2 || rest[1] != 's' || rest[stream-1] != ' ' {
		return nil, mark, false
	}
	switch string(rest[:stream]) {
	case " stdout ":
		mark.stdout = true
	case " stderr ":
	default:
		return nil, mark, false
	}
	mark.more = rest[stream] == 'P'
	if !mark.more && rest[stream] != 'F' || rest[stream+1] != ' ' {
		return nil, mark, false
	}
	return rest[stream+2:], mark, true
}

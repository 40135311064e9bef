package live

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// program is a BPF program in the making, with labels for the targets of jumps, which go forward only.
type program struct {
	header uint32 // bytes before the network header
	code   []bpf.Instruction
	labels map[string]int
	jumps  []pendingJump
}

// pendingJump is an instruction whose target is not known yet.
type pendingJump struct {
	at     int
	target string
}

func (p *program) add(instructions ...bpf.Instruction) { p.code = append(p.code, instructions...) }

// load loads so many bytes of the network header at X into A.
func (p *program) load(offset uint32, size int) bpf.Instruction {
	return bpf.LoadIndirect{Off: p.header + offset, Size: size}
}

func (p *program) label(name string) {
	if p.labels == nil {
		p.labels = make(map[string]int)
	}
	p.labels[name] = len(p.code)
}

// branch jumps to a label if the condition holds for A.
func (p *program) branch(cond bpf.JumpTest, value uint32, target string) {
	p.jumps = append(p.jumps, pendingJump{len(p.code), target})
	p.add(bpf.JumpIf{Cond: cond, Val: value})
}

func (p *program) jump(target string) {
	p.jumps = append(p.jumps, pendingJump{len(p.code), target})
	p.add(bpf.Jump{})
}

// link fills in the jumps.
func (p *program) link() ([]bpf.Instruction, error) {
	for _, j := range p.jumps {
		target, ok := p.labels[j.target]
		skip := target - j.at - 1
		if !ok || skip < 0 {
			return nil, fmt.Errorf("BPF program: no way from instruction %d to %q", j.at, j.target)
		}
		switch i := p.code[j.at].(type) {
		case bpf.JumpIf:
			if skip > 255 {
				return nil, fmt.Errorf("BPF program: %q is too far from instruction %d", j.target, j.at)
			}
			i.SkipTrue = uint8(skip)
			p.code[j.at] = i
		case bpf.Jump:
			i.Skip = uint32(skip)
			p.code[j.at] = i
		}
	}
	return p.code, nil
}

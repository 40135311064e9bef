package stacks

import (
	"fmt"
	"strings"
)

// Shape is etcdtap's inference, as its JSON has it.
type Shape struct {
	Requested   string `json:"certificate_requested"`
	Client      string `json:"client_certificate"`
	ServerBytes []int  `json:"server_certificate_bytes"`
	ClientBytes []int  `json:"client_certificate_bytes"`
	ServerKey   string `json:"server_key"`
	ClientKey   string `json:"client_key"`
	Ticket      string `json:"ticket"`
	LastAlert   string `json:"last_alert_from"`
	AlertPlace  string `json:"last_alert_place"`
	Visibility  string `json:"visibility"`
}

// Verdict is how an inference stands to the truth.
type Verdict int

const (
	Right Verdict = iota
	CannotTell
	Wrong
	NothingToTell // the question does not arise
)

// Facts are the questions, in the order of the table.
func Facts() []string {
	return []string{"requested", "client certificate", "server bytes", "client bytes", "server key", "client key", "ticket", "last alert"}
}

// Judge gives the verdicts in the order of Facts.
func Judge(s Shape, t *Truth) []Verdict {
	client := "none" // not asked
	switch {
	case t.Requested && !t.Certificate[0]:
		client = "unknown" // it ended the handshake before
	case t.Requested && len(t.Certificates[0]) == 0:
		client = "empty"
	case t.Requested:
		client = "presented"
	}
	return []Verdict{
		word(s.Requested, yesNo(t.Requested)),
		word(s.Client, client),
		size(s.ServerBytes, t.Certificates[1]),
		size(s.ClientBytes, t.Certificates[0]),
		key(s.ServerKey, t.Key[1]),
		key(s.ClientKey, t.Key[0]),
		word(s.Ticket, yesNo(t.Ticket)),
		word(s.LastAlert, t.LastAlert),
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func word(inferred, truth string) Verdict {
	switch inferred {
	case truth:
		return Right
	case "unknown":
		return CannotTell
	}
	return Wrong
}

func key(inferred, truth string) Verdict {
	switch inferred {
	case truth:
		if truth == "" {
			return NothingToTell
		}
		return Right
	case "":
		return CannotTell
	}
	return Wrong
}

// size compares the candidate for the true number of certificates.
func size(inferred, truth []int) Verdict {
	sum := 0
	for _, n := range truth {
		sum += n
	}
	switch {
	case len(truth) == 0 && len(inferred) == 0:
		return NothingToTell
	case len(inferred) == 0:
		return CannotTell
	case len(truth) > 0 && len(truth) <= len(inferred) && inferred[len(truth)-1] == sum:
		return Right
	}
	return Wrong
}

// Row counts the verdicts of one stack.
type Row struct {
	Name   string
	Counts [][4]int // by fact, by Verdict
}

// Add counts the verdicts of one connection.
func (r *Row) Add(verdicts []Verdict) {
	if r.Counts == nil {
		r.Counts = make([][4]int, len(verdicts))
	}
	for i, v := range verdicts {
		r.Counts[i][v]++
	}
}

// Table is Markdown: right / cannot tell / wrong.
func Table(rows []Row) string {
	var b strings.Builder
	b.WriteString("| stack | " + strings.Join(Facts(), " | ") + " |\n|---" + strings.Repeat("|---", len(Facts())) + "|\n")
	for _, r := range rows {
		b.WriteString("| " + r.Name)
		for _, c := range r.Counts {
			fmt.Fprintf(&b, " | %d / %d / %d", c[Right], c[CannotTell], c[Wrong])
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

package savefile

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestStrftime holds the conversions against C's, by date(1).
func TestStrftime(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skipf("SKIPPED: no time zones here (%v), so strftime was not compared with date", err)
	}
	if out, err := exec.Command("date", "--version").Output(); err != nil || !strings.Contains(string(out), "GNU") {
		t.Skipf("SKIPPED: no GNU date here (%v), so strftime was not compared with it", err)
	}
	var formats []string
	for _, kind := range []struct {
		letters string
		flags   []string // those that date(1) treats as C does
	}{
		{"degGHIjklmMsSuUVwWyY", []string{"", "-", "_", "0", "6", "_5", "012"}},
		{"aAbBhpPZ", []string{"", "^", "#", "^12", "_12"}},
		{"HdmMSy", []string{"O"}},
		{"yYCcxX", []string{"E"}},
		{"cCDFnrRtTxXz%", []string{""}},
	} {
		for _, letter := range kind.letters {
			for _, flag := range kind.flags {
				formats = append(formats, "%"+flag+string(letter))
			}
		}
	}
	for _, at := range []string{"2026-01-01T00:05:09Z", "2026-11-25T13:00:00Z", "2027-01-03T23:59:59Z", "2028-12-31T10:10:10Z", "2024-02-29T12:00:00Z", "2005-07-31T22:00:01Z"} {
		when, _ := time.Parse(time.RFC3339, at)
		when = when.In(zone)
		cmd := exec.Command("date", "-d", at, "+"+strings.Join(formats, "\x01"))
		cmd.Env = []string{"TZ=Europe/Berlin", "LC_ALL=C"}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\x01")
		for i, f := range formats {
			if got := strftime(f, when); got != want[i] {
				t.Errorf("%s at %s is %q, want %q", f, at, got, want[i])
			}
		}
	}
}

func TestStrftimeText(t *testing.T) {
	at := time.Date(2026, 11, 25, 9, 4, 5, 0, time.UTC)
	for format, want := range map[string]string{
		"":                           "",
		"etcd.pcapng":                "etcd.pcapng",
		"etcd-%F-%H%M%S.pcapng":      "etcd-2026-11-25-090405.pcapng",
		"100%":                       "100%",
		"a%Qb%5":                     "a%Qb%5",
		"%%%d%%":                     "%25%",
		"%l|%k|%e|%I":                " 9| 9|25|09",
		"%_H%-H%05H":                 " 9900009",
		"zoë-%Ey-%Od-%E":             "zoë-26-25-%E",
		"%a %A %b %B %p %P %^a %#p":  "Wed Wednesday Nov November AM am WED am",
		"%99999999999999999999d":     strings.Repeat("0", maxName-1) + "25",
		strings.Repeat("%4000d", 10): strings.Repeat(strings.Repeat("0", 3998)+"25", 2),
	} {
		if got := strftime(format, at); got != want {
			t.Errorf("%.40q is %.60q, want %.60q", format, got, want)
		}
	}
}

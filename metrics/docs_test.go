package metrics

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var metricName = regexp.MustCompile(`etcdtap_[a-z_]*[a-z]`)

// registered are the names of our own metrics.
func registered(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for line := range strings.Lines(scrape(t, filled(t, "demo.pcap"))) {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" {
			names[f[2]] = true
			if f[3] == "histogram" {
				names[f[2]+"_bucket"] = false
			}
		}
	}
	if len(names) < 20 {
		t.Fatalf("only %d metrics: %v", len(names), names)
	}
	return names
}

// docs/metrics.md has a row for each metric, and speaks of no others.
func TestDocument(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := registered(t)
	for name, whole := range names {
		if whole && !strings.Contains(string(doc), "\n| `"+name+"` | ") {
			t.Errorf("docs/metrics.md has no row for %s", name)
		}
	}
	for _, name := range metricName.FindAllString(string(doc), -1) {
		if _, known := names[name]; !known {
			t.Errorf("docs/metrics.md speaks of %s, which is not exported", name)
		}
	}
}

// Each value of each label is on the page, the codes of findings aside, which have a page of their own.
func TestDocumentLabels(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	families, err := filled(t).Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), namespace+"_") || f.GetName() == "etcdtap_build_info" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if v := l.GetValue(); l.GetName() != "code" && !strings.HasPrefix(v, "TLSv1.") && !strings.Contains(string(doc), "`"+v+"`") {
					t.Errorf("docs/metrics.md does not name %s=%q of %s", l.GetName(), v, f.GetName())
				}
			}
		}
	}
}

// The alerts ask for metrics that exist, and each is on the page.
func TestAlerts(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "deploy", "prometheus-rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join("..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	names := registered(t)
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) < 5 {
		t.Fatalf("expected one group with the alerts, got %+v", file)
	}
	for _, r := range file.Groups[0].Rules {
		if !strings.Contains(string(doc), "| `"+r.Alert+"` | ") {
			t.Errorf("docs/metrics.md does not tell of %s", r.Alert)
		}
		if r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
			t.Errorf("%s has no summary or severity", r.Alert)
		}
		used := metricName.FindAllString(r.Expr, -1)
		for _, name := range used {
			if _, known := names[name]; !known {
				t.Errorf("%s asks for %s, which is not exported", r.Alert, name)
			}
		}
		if len(used) == 0 && r.Alert != "EtcdtapDown" {
			t.Errorf("%s asks for no metric of ours", r.Alert)
		}
	}
}

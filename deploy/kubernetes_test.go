package deploy

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// daemonSet is the part of apps/v1 that the DaemonSet uses: an unknown field is a misspelt one.
type daemonSet struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   meta   `yaml:"metadata"`
	Spec       struct {
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"selector"`
		UpdateStrategy any `yaml:"updateStrategy"`
		Template       struct {
			Metadata meta `yaml:"metadata"`
			Spec     pod  `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type meta struct {
	Name        string            `yaml:"name"`
	Namespace   string            `yaml:"namespace"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type pod struct {
	NodeSelector map[string]string `yaml:"nodeSelector"`
	Tolerations  []struct {
		Key      string `yaml:"key"`
		Operator string `yaml:"operator"`
		Effect   string `yaml:"effect"`
	} `yaml:"tolerations"`
	HostNetwork                   bool   `yaml:"hostNetwork"`
	HostPID                       bool   `yaml:"hostPID"`
	DNSPolicy                     string `yaml:"dnsPolicy"`
	AutomountServiceAccountToken  *bool  `yaml:"automountServiceAccountToken"`
	EnableServiceLinks            *bool  `yaml:"enableServiceLinks"`
	TerminationGracePeriodSeconds int    `yaml:"terminationGracePeriodSeconds"`
	SecurityContext               struct {
		RunAsNonRoot   bool `yaml:"runAsNonRoot"`
		RunAsUser      *int `yaml:"runAsUser"`
		RunAsGroup     *int `yaml:"runAsGroup"`
		SeccompProfile struct {
			Type string `yaml:"type"`
		} `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Containers []container `yaml:"containers"`
	Volumes    []struct {
		Name     string `yaml:"name"`
		HostPath struct {
			Path string `yaml:"path"`
			Type string `yaml:"type"`
		} `yaml:"hostPath"`
	} `yaml:"volumes"`
}

type container struct {
	Name            string   `yaml:"name"`
	Image           string   `yaml:"image"`
	ImagePullPolicy string   `yaml:"imagePullPolicy"`
	Args            []string `yaml:"args"`
	Env             any      `yaml:"env"`
	Ports           []struct {
		Name          string `yaml:"name"`
		ContainerPort int    `yaml:"containerPort"`
		HostPort      int    `yaml:"hostPort"`
		Protocol      string `yaml:"protocol"`
	} `yaml:"ports"`
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		Privileged               bool  `yaml:"privileged"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct {
			Add  []string `yaml:"add"`
			Drop []string `yaml:"drop"`
		} `yaml:"capabilities"`
	} `yaml:"securityContext"`
	Resources struct {
		Requests, Limits map[string]string
	} `yaml:"resources"`
	StartupProbe   probe `yaml:"startupProbe"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
	VolumeMounts   []struct {
		Name      string `yaml:"name"`
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct {
		Path string `yaml:"path"`
		Port string `yaml:"port"`
	} `yaml:"httpGet"`
	PeriodSeconds    int `yaml:"periodSeconds"`
	TimeoutSeconds   int `yaml:"timeoutSeconds"`
	FailureThreshold int `yaml:"failureThreshold"`
}

func decodeDaemonSet(t *testing.T, text string) daemonSet {
	t.Helper()
	var d daemonSet
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	if len(d.Spec.Template.Spec.Containers) != 1 {
		t.Fatalf("%d containers, expected one", len(d.Spec.Template.Spec.Containers))
	}
	return d
}

func TestDaemonSetPlacement(t *testing.T) {
	d := decodeDaemonSet(t, read(t, "kubernetes/daemonset.yaml"))
	p := d.Spec.Template.Spec
	if d.APIVersion != "apps/v1" || d.Kind != "DaemonSet" {
		t.Errorf("is a %s of %s", d.Kind, d.APIVersion)
	}
	for k, v := range d.Spec.Selector.MatchLabels {
		if d.Spec.Template.Metadata.Labels[k] != v {
			t.Errorf("selects %s=%s, which its pods are not", k, v)
		}
	}
	if _, ok := p.NodeSelector["node-role.kubernetes.io/control-plane"]; !ok {
		t.Errorf("runs on nodes with %v, expected control-plane nodes only", p.NodeSelector)
	}
	tolerated := false
	for _, x := range p.Tolerations {
		tolerated = tolerated || x.Key == "node-role.kubernetes.io/control-plane" && x.Operator == "Exists" && x.Effect == "NoSchedule"
	}
	if !tolerated || !p.HostNetwork || p.HostPID || *p.AutomountServiceAccountToken {
		t.Errorf("expected a pod that tolerates the control plane's taint, with the host's network, without its processes and without a token: %+v", p)
	}
}

func TestDaemonSetPrivilege(t *testing.T) {
	d := decodeDaemonSet(t, read(t, "kubernetes/daemonset.yaml"))
	p, c := d.Spec.Template.Spec.SecurityContext, d.Spec.Template.Spec.Containers[0].SecurityContext
	if !p.RunAsNonRoot || *p.RunAsUser == 0 || *p.RunAsGroup == 0 || p.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("the pod's securityContext is %+v", p)
	}
	if c.Privileged || *c.AllowPrivilegeEscalation || !c.ReadOnlyRootFilesystem ||
		!slices.Equal(c.Capabilities.Drop, []string{"ALL"}) || !slices.Equal(c.Capabilities.Add, []string{"NET_RAW"}) {
		t.Errorf("the container's securityContext is %+v, expected NET_RAW only and a root that is read-only", c)
	}
}

func TestDaemonSetFiles(t *testing.T) {
	p := decodeDaemonSet(t, read(t, "kubernetes/daemonset.yaml")).Spec.Template.Spec
	host := make(map[string]string)
	for _, v := range p.Volumes {
		host[v.Name] = v.HostPath.Path
		if v.HostPath.Type != "File" {
			t.Errorf("%s is mounted as %q, expected a file by itself", v.HostPath.Path, v.HostPath.Type)
		}
	}
	mounts := p.Containers[0].VolumeMounts
	if len(mounts) != len(host) || len(mounts) < 5 {
		t.Errorf("%d volumes and %d mounts", len(host), len(mounts))
	}
	for _, m := range mounts {
		if !m.ReadOnly || host[m.Name] != m.MountPath {
			t.Errorf("%s is mounted at %s, read-only: %v; expected the same path, read-only", host[m.Name], m.MountPath, m.ReadOnly)
		}
		if x := path.Ext(m.MountPath); x != ".crt" && m.MountPath != "/etc/kubernetes/manifests/etcd.yaml" {
			t.Errorf("mounts %s, expected certificates and the manifest only", m.MountPath)
		}
	}
}

func TestDaemonSetHealth(t *testing.T) {
	tmpl := decodeDaemonSet(t, read(t, "kubernetes/daemonset.yaml")).Spec.Template
	c := tmpl.Spec.Containers[0]
	port := tmpl.Metadata.Annotations["prometheus.io/port"]
	if i := slices.Index(c.Args, "--metrics"); i < 0 || !strings.HasSuffix(c.Args[i+1], ":"+port) {
		t.Errorf("Prometheus is told to ask port %s, the arguments are %q", port, c.Args)
	}
	for name, p := range map[string]probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if p.HTTPGet.Path != "/healthz" || p.HTTPGet.Port != c.Ports[0].Name {
			t.Errorf("the %s probe asks %+v", name, p.HTTPGet)
		}
	}
	if c.Resources.Limits["memory"] == "" || c.Resources.Requests["cpu"] == "" {
		t.Errorf("resources are %+v", c.Resources)
	}
}

// The overlays change what they say and no more.
func TestKustomize(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("SKIPPED: there is no kubectl here, so the overlays of the DaemonSet were not built")
	}
	build := func(dir string) daemonSet {
		out, err := exec.Command("kubectl", "kustomize", dir).CombinedOutput()
		if err != nil {
			t.Fatalf("kubectl kustomize %s: %v\n%s", dir, err, out)
		}
		return decodeDaemonSet(t, string(out))
	}
	base, manifest, processes := build("kubernetes"), build("kubernetes-manifest"), build("kubernetes-processes")
	if base.Spec.Template.Spec.HostPID || *base.Spec.Template.Spec.SecurityContext.RunAsUser == 0 {
		t.Error("the base runs as root, or sees the host's processes")
	}
	for name, d := range map[string]daemonSet{"manifest": manifest, "processes": processes} {
		s := d.Spec.Template.Spec.SecurityContext
		if s.RunAsNonRoot || *s.RunAsUser != 0 || s.SeccompProfile.Type != "RuntimeDefault" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if c := manifest.Spec.Template.Spec.Containers[0].SecurityContext.Capabilities; !slices.Equal(c.Add, []string{"NET_RAW"}) || manifest.Spec.Template.Spec.HostPID {
		t.Errorf("manifest: %+v", c)
	}
	if c := processes.Spec.Template.Spec.Containers[0].SecurityContext.Capabilities; !slices.Equal(c.Add, []string{"NET_RAW", "SYS_PTRACE", "DAC_READ_SEARCH"}) || !processes.Spec.Template.Spec.HostPID {
		t.Errorf("processes: %+v", c)
	}
}

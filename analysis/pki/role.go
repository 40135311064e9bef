package pki

import (
	"crypto/x509"
	"path"
	"slices"
	"strings"
)

// Role is what a certificate is for.
type Role uint8

const (
	RoleOther        Role = iota // none of etcd's, as far as name and contents tell
	RoleServer                   // etcd's client port
	RolePeer                     // etcd's peer port, as server and as client
	RoleMetrics                  // a metrics port of its own (OpenShift)
	RoleClient                   // a client of etcd
	RoleHealthcheck              // the client that probes etcd's health (kubeadm)
	RoleAPIServer                // kube-apiserver as a client of etcd
	RoleCA                       // the CA of server and client certificates
	RolePeerCA                   // the CA of peer certificates where it is one of its own (k3s, RKE2, kops)
	RoleOtherCA                  // a CA that is not etcd's by its name
	RoleIntermediate             // stands behind a leaf in the same file
)

func (r Role) String() string {
	return [...]string{"other", "server", "peer", "metrics", "client", "healthcheck client", "apiserver's client", "CA", "peer CA",
		"other CA", "intermediate"}[r]
}

// CA reports whether certificates of the role sign others.
func (r Role) CA() bool { return r >= RoleCA }

// Client reports whether the role is to connect to etcd's client port.
func (r Role) Client() bool { return r == RoleClient || r == RoleHealthcheck || r == RoleAPIServer }

// namedRole is a file name and what the distributions keep in it.
type namedRole struct {
	dir  string // the last directory; "" for any
	base string // without its extension; a * at its end stands for the node's name
	role Role
}

// namedRoles are the names that kubeadm (cmd/kubeadm/app/constants), k3s and RKE2 (pkg/daemons/config), kops' etcd-manager and
// OpenShift's cluster-etcd-operator give their files. The first that fits counts. Nothing writes to it.
var namedRoles = [...]namedRole{
	{"etcd", "ca", RoleCA}, // kubeadm
	{"", "healthcheck-client", RoleHealthcheck},
	{"", "apiserver-etcd-client", RoleAPIServer},
	{"etcd", "server-ca", RoleCA}, // k3s, RKE2
	{"etcd", "peer-ca", RolePeerCA},
	{"etcd", "server-client", RoleServer},
	{"etcd", "peer-server-client", RolePeer},
	{"etcd", "client", RoleClient},
	{"clients", "ca", RoleCA}, // etcd-manager
	{"peers", "ca", RolePeerCA},
	{"peers", "me", RolePeer},
	{"", "etcd-clients-ca", RoleCA},
	{"", "etcd-peers-ca", RolePeerCA},
	{"", "etcd-manager-ca", RoleOtherCA},
	{"", "etcd-client", RoleAPIServer},
	{"", "etcd-ca", RoleCA},
	{"", "etcd-serving-metrics-*", RoleMetrics}, // OpenShift
	{"", "etcd-serving-*", RoleServer},
	{"", "etcd-peer-*", RolePeer},
	{"etcd-serving-ca", "ca-bundle", RoleCA},
	{"etcd-peer-client-ca", "ca-bundle", RolePeerCA},
	{"", "server", RoleServer}, // kubeadm's leaves, and what people call theirs
	{"", "peer", RolePeer},
	{"", "client", RoleClient},
	{"pki", "ca", RoleOtherCA}, // the cluster's own, beside etcd's
	{"pki", "front-proxy-ca", RoleOtherCA},
	{"", "apiserver", RoleOther},
	{"", "apiserver-kubelet-client", RoleOther},
	{"", "front-proxy-client", RoleOther},
}

// roleOf reads the role from the name, and where that says nothing, from what the certificate says of itself.
func roleOf(name string, index int, x *x509.Certificate) Role {
	isCA := x.BasicConstraintsValid && x.IsCA
	name = strings.ReplaceAll(name, `\`, "/")
	dir, base := path.Base(path.Dir(name)), path.Base(name)
	base = strings.TrimSuffix(base, path.Ext(base))
	for _, n := range namedRoles {
		if n.dir != "" && n.dir != dir || !n.fits(base) {
			continue
		}
		if n.role.CA() == isCA && (index == 0 || isCA) {
			return n.role
		}
	}
	switch {
	case isCA && index > 0:
		return RoleIntermediate
	case isCA:
		return RoleCA
	case x.Subject.CommonName == "kube-apiserver-etcd-client":
		return RoleAPIServer
	case x.Subject.CommonName == "kube-etcd-healthcheck-client":
		return RoleHealthcheck
	case slices.Contains(x.ExtKeyUsage, x509.ExtKeyUsageServerAuth):
		return RoleOther // which port's, only the configuration knows
	case slices.Contains(x.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return RoleClient
	}
	return RoleOther
}

func (n *namedRole) fits(base string) bool {
	if prefix, ok := strings.CutSuffix(n.base, "*"); ok {
		return strings.HasPrefix(base, prefix)
	}
	return base == n.base
}

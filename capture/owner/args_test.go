package owner

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// Each command holds the word hunter2, which must not be seen; what is to be seen is told.
func TestRedact(t *testing.T) {
	jwt := "eyJhbGciOiJSUzI1NiIsImtpZCI6Imh1bnRlcjIifQ.eyJpc3MiOiJrOHMifQ.hunter2"
	for name, c := range map[string]struct{ in, want string }{ // arguments separated by |
		"nothing secret":         {"etcdctl|--endpoints=https://10.0.0.1:2379|--cacert|/etc/ca.crt|get|/registry/|--prefix|--keys-only", "etcdctl|--endpoints=https://10.0.0.1:2379|--cacert|/etc/ca.crt|get|/registry/|--prefix|--keys-only"},
		"flag":                   {"etcdctl|--user|root|--password|hunter2|get|a", "etcdctl|--user|root|--password|[redacted]|get|a"},
		"flag with =":            {"etcdctl|--user=root|--password=hunter2|get|a", "etcdctl|--user=root|--password=[redacted]|get|a"},
		"user and password":      {"etcdctl|--user=root:hunter2|member|list", "etcdctl|--user=root:[redacted]|member|list"},
		"the same apart":         {"etcdctl|--user|root:hunter2|member|list", "etcdctl|--user|root:[redacted]|member|list"},
		"value":                  {"etcdctl|put|/registry/secrets/a|hunter2", "etcdctl|put|/registry/secrets/a|[redacted]"},
		"value, flags":           {"/usr/local/bin/etcdctl|--insecure-skip-tls-verify|put|k|hunter2|--lease=12", "/usr/local/bin/etcdctl|--insecure-skip-tls-verify|put|k|[redacted]|--lease=12"},
		"version 2":              {"etcdctl|set|k|hunter2", "etcdctl|set|k|[redacted]"},
		"new user":               {"etcdctl|user|add|root:hunter2", "etcdctl|user|add|root:[redacted]"},
		"new user's password":    {"etcdctl|user|add|root|--new-user-password|hunter2", "etcdctl|user|add|root|--new-user-password|[redacted]"},
		"curl":                   {"curl|-sku|root:hunter2|https://10.0.0.1:2379", "curl|-sku|root:[redacted]|https://10.0.0.1:2379"},
		"curl, one word":         {"curl|-uroot:hunter2|https://10.0.0.1:2379", "curl|-uroot:[redacted]|https://10.0.0.1:2379"},
		"curl, -u":               {"curl|-u|root:hunter2|https://10.0.0.1:2379", "curl|-u|root:[redacted]|https://10.0.0.1:2379"},
		"certificate's password": {"curl|-Ea.pem:hunter2|--cert|a.pem:hunter2|-sbhunter2|-b|hunter2", "curl|-Ea.pem:[redacted]|--cert|a.pem:[redacted]|-sb[redacted]|-b|[redacted]"},
		"curl's other flags":     {"curl|-sk|-o|/dev/null|-m5|https://a", "curl|-sk|-o|/dev/null|-m5|https://a"},
		"header":                 {"curl|-H|Authorization: Bearer hunter2|https://a", "curl|-H|Authorization:[redacted]|https://a"},
		"header, one word":       {"curl|-HX-Thing:hunter2|https://a", "curl|-HX-Thing:[redacted]|https://a"},
		"header of grpcurl":      {"grpcurl|-rpc-header|token: hunter2|a:2379|list", "grpcurl|-rpc-header|token:[redacted]|a:2379|list"},
		"body":                   {`curl|-d|{"key":"hunter2"}|https://a`, "curl|-d|[redacted]|https://a"},
		"body with blanks":       {`grpcurl|-d|{"value": "hunter2 "}|a:2379|etcdserverpb.KV/Put`, "grpcurl|-d|[redacted]|a:2379|etcdserverpb.KV/Put"},
		"body, one word":         {`curl|-dhunter2|https://a`, "curl|-d[redacted]|https://a"},
		"bodies":                 {`curl|--data-binary|hunter2|--json=hunter2|-F|a=hunter2|--form-string|b=hunter2`, "curl|--data-binary|[redacted]|--json=[redacted]|-F|[redacted]|--form-string|[redacted]"},
		"userinfo":               {"curl|https://root:hunter2@10.0.0.1:2379/health", "curl|https://[redacted]@10.0.0.1:2379/health"},
		"userinfo with slash":    {"curl|https://root:hun/hunter2@10.0.0.1:2379/health", "curl|https://[redacted]@10.0.0.1:2379/health"},
		"userinfo in a flag":     {"x|--proxy=socks5://a:hunter2@h:1080", "x|--proxy=socks5://[redacted]@h:1080"},
		"query":                  {"curl|https://a/x?access_token=hunter2&b=c", "curl|https://a/x?access_token=[redacted]"},
		"token":                  {"kubectl|--token|hunter2", "kubectl|--token|[redacted]"},
		"token's file":           {"kube|--token-auth-file=/etc/tokens.csv|--password-file|/etc/pw", "kube|--token-auth-file=/etc/tokens.csv|--password-file|/etc/pw"},
		"secret":                 {"x|-clientSecret=hunter2|--api-key|hunter2|--AccessKey=hunter2", "x|-clientSecret=[redacted]|--api-key|[redacted]|--AccessKey=[redacted]"},
		"web token":              {"x|" + jwt, "x|[redacted]"},
		"hex":                    {"x|--id|0123456789abcdef0123456789abcdef0123456789hunter2", "x|--id|[redacted]"},
		"PEM":                    {"x|-----BEGIN EC PRIVATE KEY-----\nhunter2", "x|[redacted]"},
		"variable":               {"env|ETCDCTL_PASSWORD=hunter2|etcdctl|get|a", "env|ETCDCTL_PASSWORD=[redacted]|etcdctl|get|a"},
		"script":                 {"sh|-c|ETCDCTL_PASSWORD=hunter2 etcdctl get a", "sh|-c|[redacted]"},
		"script with a flag":     {"sh|-c|etcdctl --endpoints=https://a:2379 --password hunter2 get a", "sh|-c|etcdctl --endpoints=https://a:2379 --password [redacted]"},
		"script with quotes":     {"sh|-c|curl -d '{\"a\": \"b hunter2\"}' https://a", "sh|-c|curl -d [redacted]"},
		"script that writes":     {"sh|-c|sleep 1;etcdctl put k hunter2", "sh|-c|sleep 1;etcdctl put k [redacted]"},
		"script with a user":     {"sh|-c|cd / && curl -u root:hunter2 https://a", "sh|-c|cd / && curl -u [redacted]"},
		"script, nothing":        {"sh|-c|while true; do etcdctl endpoint health; done", "sh|-c|while true; do etcdctl endpoint health; done"},
		"python":                 {"python3|-c|import requests; requests.get(u, auth=('a', 'hunter2'))", "python3|-c|import requests; requests.get(u, [redacted]"},
		"openssl":                {"openssl|s_client|-connect|a:2379|-pass|pass:hunter2|-psk|hunter2", "openssl|s_client|-connect|a:2379|-pass|[redacted]|-psk|[redacted]"},
		"title":                  {"postgres: etcd password=hunter2 x", "postgres: etcd password=[redacted]"},
		"certificate's key":      {"etcd|--key-file=/etc/server.key|--peer-key-file|/etc/peer.key|--auth-token|simple", "etcd|--key-file=/etc/server.key|--peer-key-file|/etc/peer.key|--auth-token|[redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(redact(strings.Split(c.in, "|")), "|")
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret is shown: %s", got)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestParseArgs(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"none":           {"", nil},
		"zombie":         {"\x00\x00", nil},
		"some":           {"etcdctl\x00get\x00\x00a\x00", []string{"etcdctl", "get", "", "a"}},
		"title":          {"nginx: worker process\x00\x00\x00", []string{"nginx: worker process"}},
		"without an end": {"etcdctl\x00ge", []string{"etcdctl", "ge"}},
		"long":           {"a\x00--x=" + strings.ReplaceAll(long, "xxx", "xx.") + "\x00b", []string{"a", ("--x=" + strings.ReplaceAll(long, "xxx", "xx."))[:maxArgs-2-len(more)-1] + more}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, parseArgs([]byte(c.in))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestBoundArgs(t *testing.T) {
	for n := range 2 * maxArgs {
		for _, args := range [][]string{{strings.Repeat("é", n)}, strings.Split(strings.Repeat("a ", n), " "), {"a", strings.Repeat("b", n), "c"}} {
			got := boundArgs(append([]string(nil), args...))
			bytes := 0
			for _, a := range got {
				bytes += len(a) + 1
				if !utf8.ValidString(a) {
					t.Fatalf("cut inside a character: %q", a)
				}
			}
			if bytes > maxArgs || len(got) > maxArgCount {
				t.Fatalf("%d arguments of %d bytes", len(got), bytes)
			}
			if last := got[len(got)-1]; len(got) < len(args) && !strings.HasSuffix(last, more) {
				t.Fatalf("nothing says that more was there: %q", got)
			}
			if d := cmp.Diff(got, boundArgs(append([]string(nil), got...))); d != "" {
				t.Fatalf("a second time it gives something else: %s", d)
			}
		}
	}
}

func FuzzParseArgs(f *testing.F) {
	f.Add([]byte("curl\x00-u\x00a:b\x00-H\x00c: d\x00--data=e\x00https://f:g@h\x00sh -c 'x=y'\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		bytes := 0
		for _, a := range parseArgs(b) {
			bytes += len(a) + 1
		}
		if bytes > maxArgs {
			t.Errorf("%d bytes", bytes)
		}
	})
}

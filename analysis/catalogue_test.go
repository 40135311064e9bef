package analysis

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// declaredCodes reads the constants of codes.go from its source, so that none can be forgotten.
func declaredCodes(t *testing.T) []Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []Code
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			s, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, Code(s))
		}
		return true
	})
	if len(codes) == 0 {
		t.Fatal("codes.go declares no code")
	}
	return codes
}

func TestEveryCodeHasOneCause(t *testing.T) {
	var pages []Code
	for _, c := range Causes() {
		pages = append(pages, c.Code)
	}
	if diff := cmp.Diff(declaredCodes(t), pages); diff != "" {
		t.Errorf("codes.go (-) and the catalogue (+), both in alphabetical order, differ:\n%s", diff)
	}
	for _, code := range declaredCodes(t) {
		if c, ok := CauseOf(code); !ok || c.Code != code {
			t.Errorf("CauseOf(%q) = %q, %v; is its slice in alphabetical order?", code, c.Code, ok)
		}
	}
	if _, ok := CauseOf("no-such-code"); ok {
		t.Error("CauseOf found a code that does not exist")
	}
}

func TestCausesAreComplete(t *testing.T) {
	for _, c := range Causes() {
		t.Run(string(c.Code), func(t *testing.T) {
			if n := utf8.RuneCountInString(c.Title); n == 0 || n > 60 || strings.HasSuffix(c.Title, ".") {
				t.Errorf("title %q: want a phrase of 1 to 60 runes without a full stop, has %d", c.Title, n)
			}
			if !strings.HasSuffix(c.Meaning, ".") || strings.Count(c.Meaning, ". ") > 2 {
				t.Errorf("meaning is not one to three sentences: %q", c.Meaning)
			}
			if c.Wire == "" && c.Log == "" {
				t.Error("neither Wire nor Log says how it shows")
			}
			if len(c.Causes) == 0 || len(c.Fixes) == 0 {
				t.Error("causes and fixes are wanted; where there is nothing to fix, say so")
			}
			for _, see := range c.See {
				if _, ok := CauseOf(see); !ok || see == c.Code {
					t.Errorf("See names %q", see)
				}
			}
			for _, text := range slices.Concat([]string{c.Title, c.Meaning, c.Wire, c.Log}, c.Causes, c.Fixes) {
				if strings.Count(text, "`")%2 != 0 || text != strings.TrimSpace(text) || strings.Contains(text, "  ") || strings.Contains(text, "\n") {
					t.Errorf("unpaired backquote or stray white space: %q", text)
				}
			}
			for _, item := range slices.Concat(c.Causes, c.Fixes) {
				if item == "" || strings.HasSuffix(item, ".") {
					t.Errorf("list item ends in a full stop, or is empty: %q", item)
				}
			}
		})
	}
}

func TestNearestCode(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Code
	}{
		{"plaintext-to-tls", CodePlaintextToTLS},
		{"plaintext-tls", CodePlaintextToTLS},
		{"Plaintext to TLS", CodePlaintextToTLS},
		{"client_cert_expired", CodeClientCertExpired},
		{"grpc-peer-port", CodeGRPCToPeerPort},
		{"refussed", CodeRefused},
		{"alpn", CodeALPNMismatch},
		{"fips", CodeFIPSRefused},
		{"oversized", CodeOversizedRecord},
		{"refused", CodeRefused}, // itself, though others hold it
		{"client-cert-expird", CodeClientCertExpired},
		{"tls-to-plain", CodeTLSToPlaintext},
		{"revoked", CodeClientCertRevoked},
		{"client-cert", ""}, // several
		{"", ""},
		{"   ", ""},
		{"e", ""},
		{"completely-different", ""},
		{strings.Repeat("x", 1<<20), ""},
	} {
		got, ok := NearestCode(tt.in)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("NearestCode(%.40q) = %q, %v; want %q", tt.in, got, ok, tt.want)
		}
	}
}

func TestCodesFitTheirBound(t *testing.T) {
	for _, code := range declaredCodes(t) {
		if len(code) > maxCodeLength {
			t.Errorf("%s is longer than maxCodeLength", code)
		}
	}
}

func TestCauseOfDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { CauseOf(CodeWeakCertificate) }); n != 0 {
		t.Errorf("CauseOf allocates %v times", n)
	}
}

func FuzzNearestCode(f *testing.F) {
	f.Add("plaintext-tls")
	f.Add(strings.Repeat("\xff", maxCodeLength)) // becomes longer in lower case
	f.Fuzz(func(t *testing.T, s string) {
		code, ok := NearestCode(s)
		if _, exists := CauseOf(code); exists != ok {
			t.Errorf("NearestCode(%q) = %q, %v", s, code, ok)
		}
	})
}

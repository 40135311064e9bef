//go:build !cgo || nopcap

package capture

import (
	"strings"
	"testing"
)

func TestFilterWithoutPcap(t *testing.T) {
	if _, err := NewFilter("tcp"); err == nil || !strings.Contains(err.Error(), "--host") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
}

package capture

import "testing"

func TestLinkTypeString(t *testing.T) {
	for _, tt := range []struct {
		link      LinkType
		want      string
		supported bool
	}{
		{LinkEthernet, "EN10MB (1)", true},
		{LinkRaw, "RAW (101)", true},
		{LinkLinuxSLL2, "LINUX_SLL2 (276)", true},
		{127, "IEEE802_11_RADIO (127)", false},
		{147, "USER0 (147)", false},
		{162, "USER15 (162)", false},
		{17, "unknown link type 17", false},
		{65535, "unknown link type 65535", false},
	} {
		if got := tt.link.String(); got != tt.want {
			t.Errorf("%d is %q, want %q", uint16(tt.link), got, tt.want)
		}
		if got := tt.link.Supported(); got != tt.supported {
			t.Errorf("%v: Supported() = %v", tt.link, got)
		}
	}
}

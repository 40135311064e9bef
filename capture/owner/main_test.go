package owner

import (
	"fmt"
	"os"
	"testing"
)

// TestMain is the child process, too, and other processes that the tests need: see the roles.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Argument {
		if err := Serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// roleVariable names the role of a process that a test starts from its own binary.
const roleVariable = "ETCDTAP_TEST_OWNER_ROLE"

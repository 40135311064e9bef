//go:build docs

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// docsCommands is the generator of the manual pages. It is in no released binary: `make man` builds it with the tag docs, so the renderer
// of Markdown that it takes along stays out of the product.
func docsCommands(e *environment) []*cobra.Command {
	return []*cobra.Command{{
		Use:    "gendocs DIR",
		Short:  "Write the manual pages into a directory",
		Hidden: true,
		Args:   arguments(1, 1, "a directory"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("making the directory of the manual pages: %w", err)
			}
			root := newRoot(e) // not the one that runs, to which cobra has added its own commands
			root.DisableAutoGenTag = true
			// The date is that of SOURCE_DATE_EPOCH, where it is set.
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Manual: "etcdtap", Source: "etcdtap " + versionText()}, args[0])
		},
	}}
}

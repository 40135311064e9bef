//go:build !docs

package main

import "github.com/spf13/cobra"

// docsCommands is empty: gendocs.go is built with the tag docs only.
func docsCommands(*environment) []*cobra.Command { return nil }

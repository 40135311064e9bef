package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/report"
)

func newExplain(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE",
		Short: "Print what a finding means, what causes it and what to do",
		Long: `Print a finding's page: what it means, how it looks on the wire and in etcd's log,
what causes it and what to do. Without CODE, list all findings.`,
		Example: `  etcdtap explain grpc-to-peer-port`,
		Args:    arguments(0, 1, "one CODE"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			var codes []string
			for _, c := range analysis.Causes() {
				if len(args) == 0 && strings.HasPrefix(string(c.Code), prefix) {
					codes = append(codes, string(c.Code)+"\t"+c.Title)
				}
			}
			return codes, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return e.listCauses()
			}
			c, ok := analysis.CauseOf(analysis.Code(args[0]))
			if !ok {
				return unknownCode(args[0])
			}
			return report.CausePage(e.stdout, c)
		},
	}
}

func (e *environment) listCauses() error {
	for _, c := range analysis.Causes() {
		if _, err := fmt.Fprintf(e.stdout, "%-30s  %-7s  %s\n", c.Code, c.Severity, c.Title); err != nil {
			return err
		}
	}
	return nil
}

func unknownCode(s string) error {
	hint := "run 'etcdtap explain' for the list of all findings"
	if near, ok := analysis.NearestCode(s); ok {
		hint = fmt.Sprintf("did you mean 'etcdtap explain %s'? Run 'etcdtap explain' for the list", near)
	}
	return &usageError{fmt.Errorf("there is no finding %q", s), hint}
}

package main

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/testdata/pcaps"
)

func newDemo(e *environment) *cobra.Command {
	var f outputFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Analyse a real capture that is built in",
		Long: `Analyse a capture that is built in, of a real etcd 3.5 with kubeadm-like certificates:
a healthy client, a gRPC client without TLS, and the case that etcdtap was written for,
grpcurl with the right certificates to the wrong port.`,
		Example: `  etcdtap demo
  etcdtap demo -o json --certs`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			file, err := capture.OpenReader(pcaps.DemoName, bytes.NewReader(pcaps.Demo))
			if err != nil {
				return err
			}
			s := scope{expect: analysis.DefaultExpectations()}
			return e.report(cmd.Context(), []*capture.File{file}, s, capture.PipelineOptions{}, nil, &f)
		},
	}
	f.register(cmd.Flags())
	return cmd
}

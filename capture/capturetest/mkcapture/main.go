// Command mkcapture writes a synthetic capture, for comparing readers with each other:
//
//	go run ./capture/capturetest/mkcapture -kind handshakes -packets 800000 -o handshakes.pcap
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/etcdtap/etcdtap/capture/capturetest"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "mkcapture:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("mkcapture", flag.ContinueOnError)
	kind := flags.String("kind", "handshakes", "what to write: "+strings.Join(capturetest.Kinds(), ", "))
	packets := flags.Int64("packets", 800_000, "about how many packets")
	connections := flags.Int("connections", 0, "how many connections; instead of -packets")
	seed := flags.Uint64("seed", 1, "another seed gives another capture")
	pcapng := flags.Bool("pcapng", false, "write pcapng instead of pcap")
	name := flags.String("o", "", "the file to write")
	asJSON := flags.Bool("json", false, "say what was written as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options, ok := capturetest.Kind(*kind, *packets)
	if !ok || *name == "" {
		return errors.New("give -o FILE, and -kind as one of " + strings.Join(capturetest.Kinds(), ", "))
	}
	options.Seed, options.Pcapng = *seed, *pcapng
	if *connections > 0 {
		options.Packets, options.Connections = 0, *connections
	}
	library, err := capturetest.NewLibrary()
	if err != nil {
		return err
	}
	file, err := os.Create(*name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	counts, err := library.Write(file, options)
	if err != nil {
		return fmt.Errorf("writing %s: %w", *name, err)
	}
	if *asJSON {
		return json.NewEncoder(stderr).Encode(counts)
	}
	fmt.Fprintf(stderr, "%s: %+v\n", *name, counts)
	return nil
}

// Package stacks measures what analysis.Shape infers from TLS 1.3's record lengths against the truth: the TLS stacks that clients of
// etcd are made with speak to Go's crypto/tls, which is etcd's, and Go speaks to them, with a key log with which tshark decrypts.
// The measure is a test: a wrong inference fails it, and the table that it prints is the one in docs/tls13.md.
package stacks

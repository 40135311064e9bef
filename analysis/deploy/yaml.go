package deploy

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document reads the first YAML document of data as a tree, and refuses what could be larger than it looks. Nothing is decoded into
// types, so nothing is expanded.
func document(data []byte) (*yaml.Node, error) {
	if err := checkFlow(data); err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("expected YAML: %w", err)
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("expected a YAML mapping (name: value)")
	}
	left := maxNodes
	return root.Content[0], checkTree(root.Content[0], 0, &left)
}

// checkFlow bounds brackets before the parser sees them: its own bound is far above what a configuration needs.
func checkFlow(data []byte) error {
	depth := 0
	for _, c := range data {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '\n', '\r':
			continue
		}
		if depth > maxDepth {
			return fmt.Errorf("expected YAML of at most %d levels, found more brackets than that", maxDepth)
		}
	}
	return nil
}

func checkTree(n *yaml.Node, depth int, left *int) error {
	*left--
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return fmt.Errorf("expected plain YAML, found an anchor or alias in line %d: write the value out where it is used", n.Line)
	case depth > maxDepth:
		return fmt.Errorf("expected YAML of at most %d levels, line %d is deeper", maxDepth, n.Line)
	case *left < 0:
		return fmt.Errorf("expected at most %d YAML values", maxNodes)
	}
	for _, c := range n.Content {
		if err := checkTree(c, depth+1, left); err != nil {
			return err
		}
	}
	return nil
}

// at follows keys into mappings; nil when one is missing.
func at(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		var next *yaml.Node
		if n != nil && n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == key {
					next = n.Content[i+1]
				}
			}
		}
		if n = next; n == nil {
			return nil
		}
	}
	return n
}

// text is a scalar's value, or a sequence's joined with commas.
func text(n *yaml.Node) string {
	switch {
	case n == nil || n.Tag == "!!null":
		return ""
	case n.Kind == yaml.ScalarNode:
		return n.Value
	case n.Kind == yaml.SequenceNode:
		return strings.Join(words(n), ",")
	}
	return ""
}

// words are the scalars of a sequence.
func words(n *yaml.Node) []string {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	out := make([]string, 0, len(n.Content))
	for _, c := range n.Content {
		if c.Kind == yaml.ScalarNode {
			out = append(out, c.Value)
		}
	}
	return out
}

// configFile reads etcd's own file: flags by their names, but for the two ports' sections.
func (d *Deployment) configFile(n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		switch {
		case key == "client-transport-security":
			d.section(&d.Client, value)
		case key == "peer-transport-security":
			d.section(&d.Peer, value)
		default:
			d.set(key, text(value))
		}
	}
}

func (d *Deployment) section(t *Transport, n *yaml.Node) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if value := text(n.Content[i+1]); len(value) > maxValue || !t.set(n.Content[i].Value, value) {
			d.unknown(n.Content[i].Value)
		}
	}
}

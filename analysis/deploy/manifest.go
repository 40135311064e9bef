package deploy

import (
	"errors"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// manifest reads a pod, or the template of what makes pods: the container that runs etcd.
func (d *Deployment) manifest(root *yaml.Node) error {
	spec := at(root, "spec")
	if t := at(spec, "template", "spec"); t != nil {
		spec = t
	}
	containers := at(spec, "containers")
	if containers == nil || containers.Kind != yaml.SequenceNode {
		return errors.New("expected a pod with spec.containers")
	}
	var chosen *yaml.Node
	var args []string
	for _, c := range containers.Content {
		found, ok := etcdArguments(containerCommand(c))
		if ok && (chosen == nil || text(at(c, "name")) == "etcd") {
			chosen, args = c, found
		}
	}
	if chosen == nil {
		return errors.New("expected a container whose command is etcd, found none")
	}
	d.Version = parseVersion(text(at(chosen, "image")))
	env := containerEnv(chosen)
	d.environment(env)
	for i := range args {
		args[i] = expand(args[i], env)
	}
	d.arguments(args)
	return nil
}

// containerCommand is command and args together, as the container runtime joins them.
func containerCommand(c *yaml.Node) []string {
	return append(words(at(c, "command")), words(at(c, "args"))...)
}

// containerEnv is a container's variables with literal values.
func containerEnv(c *yaml.Node) []string {
	var out []string
	if list := at(c, "env"); list != nil && list.Kind == yaml.SequenceNode {
		for _, e := range list.Content {
			if name, value := text(at(e, "name")), at(e, "value"); name != "" && value != nil {
				out = append(out, name+"="+text(value))
			}
		}
	}
	return out
}

// etcdArguments finds etcd in a command: as its program, or inside a shell's script (OpenShift). ok is false when it is not there.
func etcdArguments(command []string) (args []string, ok bool) {
	for i, word := range command {
		if isEtcd(word) {
			return command[i+1:], true
		}
		if strings.ContainsAny(word, " \n") && i > 0 {
			if args, ok := scriptArguments(word); ok {
				return args, true
			}
		}
	}
	return nil, false
}

// isEtcd reports whether a word is the program's name.
func isEtcd(word string) bool { return path.Base(word) == "etcd" && !strings.HasSuffix(word, "/etcd/") }

// scriptArguments finds the command in a script that begins with etcd, or exec etcd, and has flags.
func scriptArguments(script string) (args []string, ok bool) {
	script = strings.ReplaceAll(script, "\\\n", " ")
	for line := range strings.Lines(script) {
		fields := shellWords(line)
		for i, f := range fields {
			if isEtcd(f) && i+1 < len(fields) && strings.HasPrefix(fields[i+1], "-") {
				return untilOperator(fields[i+1:]), true
			}
		}
	}
	return nil, false
}

func untilOperator(fields []string) []string {
	for i, f := range fields {
		switch f {
		case "|", "||", "&&", "&", ";", ">", "2>&1", "|&", ">>":
			return fields[:i]
		}
	}
	return fields
}

// shellWords splits at blanks outside quotes. Quotes and backslashes are taken away; nothing is expanded.
func shellWords(line string) []string {
	var out []string
	var word []byte
	begun, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			if begun {
				out, word, begun = append(out, string(word)), word[:0], false
			}
		case quote == 0 && (c == '"' || c == '\''):
			quote, begun = c, true
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word, begun = append(word, line[i]), true
		default:
			word, begun = append(word, c), true
		}
	}
	if begun {
		out = append(out, string(word))
	}
	return out
}

// expand puts variables where $(NAME), ${NAME} stand. Of several values the last counts, and a value may name a variable before it. What
// it does not know stays as it is.
func expand(s string, env []string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	for _, kv := range slices.Backward(env) {
		name, value, _ := strings.Cut(kv, "=")
		for _, variable := range [...]string{"$(" + name + ")", "${" + name + "}"} {
			if n := strings.Count(s, variable); n > 0 && len(s)+n*len(value) <= maxValue {
				s = strings.ReplaceAll(s, variable, value)
			}
		}
	}
	return s
}

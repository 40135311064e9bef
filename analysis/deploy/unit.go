package deploy

import (
	"errors"
	"path"
	"strings"
)

// unit reads a systemd unit: ExecStart=, Environment= and the names of EnvironmentFile= (systemd.exec(5), systemd.service(5)). What the
// files say, as far as they are given, counts more than Environment=, and the last of them most.
func (d *Deployment) unit(data string, files [][]byte) error {
	var start []string
	var env []string
	specifiers := specifiersOf(d.Source)
	for line := range strings.Lines(strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\\\n", " ")) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(key, "#") || strings.HasPrefix(key, ";") {
			continue
		}
		value = specifiers.Replace(strings.TrimSpace(value))
		switch strings.TrimSpace(key) {
		case "ExecStart":
			if args, found := etcdArguments(shellWords(strings.TrimLeft(value, "@-:+!"))); found {
				start = args
			}
		case "Environment":
			env = append(env, shellWords(value)...)
		case "EnvironmentFile":
			if name := strings.TrimPrefix(strings.Trim(value, `"`), "-"); name != "" && len(d.EnvironmentFiles) < maxIncludes {
				d.EnvironmentFiles = append(d.EnvironmentFiles, name)
			}
		}
	}
	if start == nil && len(env) == 0 && len(d.EnvironmentFiles) == 0 {
		return errors.New("expected a unit whose ExecStart= runs etcd, found none")
	}
	for _, file := range files {
		env = append(env, environmentLines(string(file))...)
	}
	d.environment(env)
	for i := range start {
		start[i] = expand(start[i], env)
	}
	d.arguments(start)
	return nil
}

// specifiersOf replaces the specifiers that stand for parts of a unit's own name (systemd.unit(5), "Specifiers").
func specifiersOf(file string) *strings.Replacer {
	unit := path.Base(file)
	whole := strings.TrimSuffix(unit, path.Ext(unit))
	prefix, instance, _ := strings.Cut(whole, "@")
	return strings.NewReplacer("%%", "%", "%n", unit, "%N", whole, "%p", prefix, "%i", instance, "%I", instance)
}

// environmentLines are the ETCD_ variables of a file, export and quotes taken away.
func environmentLines(data string) []string {
	var out []string
	for line := range strings.Lines(data) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok || !strings.HasPrefix(name, "ETCD_") {
			continue
		}
		if fields := shellWords(value); len(fields) > 0 {
			value = fields[0]
		}
		out = append(out, name+"="+value)
	}
	return out
}

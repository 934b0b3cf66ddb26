// Renders a Helm chart as `helm template` does, as far as charts need that have no
// dependencies and no helpers of Helm's own beyond sprig's functions.
package main

import (
	"os"
	"path/filepath"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

// runChart serves `node chart CHART RELEASE NAMESPACE [VALUES.yaml]`: the documents
// go to standard output.
func runChart(args []string) {
	if len(args) < 3 {
		fail("usage: node chart CHART RELEASE NAMESPACE [VALUES.yaml]")
	}
	chart, release, namespace := args[0], args[1], args[2]
	values := map[string]any{}
	for _, file := range append([]string{filepath.Join(chart, "values.yaml")}, args[3:]...) {
		text, err := os.ReadFile(file)
		check(err, "read %s", file)
		over := map[string]any{}
		check(yaml.UnmarshalStrict(text, &over), "parse %s", file)
		merge(values, over)
	}
	scope := map[string]any{
		"Values":  values,
		"Release": map[string]any{"Name": release, "Namespace": namespace},
	}
	files, err := filepath.Glob(filepath.Join(chart, "templates", "*.yaml"))
	check(err, "list the templates")
	for _, file := range files {
		parsed, err := template.New(filepath.Base(file)).Funcs(sprig.TxtFuncMap()).Option("missingkey=zero").ParseFiles(file)
		check(err, "parse %s", file)
		_, _ = os.Stdout.WriteString("---\n")
		check(parsed.Execute(os.Stdout, scope), "render %s", file)
	}
}

// merge lays one tree of values over another, as Helm does.
func merge(into, over map[string]any) {
	for key, value := range over {
		below, isTree := value.(map[string]any)
		known, wasTree := into[key].(map[string]any)
		if isTree && wasTree {
			merge(known, below)
		} else {
			into[key] = value
		}
	}
}

// The test cluster: a whole single-node Kubernetes linked from the published
// modules into one binary. The first argument says what this process is: one of
// the components, `node`, which starts all of them in namespaces of its own,
// `image`, which makes images for it, `chart`, which renders a chart, or `kubectl`.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"

	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: node COMPONENT [flags], or node node DIR NUMBER")
	}
	name := os.Args[1]
	os.Args = append([]string{name}, os.Args[2:]...)
	components := map[string]func() *cobra.Command{
		"kube-apiserver":          func() *cobra.Command { return apiserver.NewAPIServerCommand() },
		"kubectl":                 func() *cobra.Command { return kubectl.NewDefaultKubectlCommand() },
		"kube-controller-manager": func() *cobra.Command { return manager.NewControllerManagerCommand() },
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
		"kube-proxy":              func() *cobra.Command { return proxy.NewProxyCommand() },
		"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	}
	switch component, ok := components[name]; {
	case ok:
		os.Exit(cli.Run(component()))
	case name == "coredns":
		// CoreDNS refuses plugins that are not listed, in the order they run.
		dnsserver.Directives = []string{"ready", "errors", "cache", "kubernetes"}
		coremain.Run()
	case name == "etcd":
		etcdmain.Main(os.Args)
	case name == "node":
		runNode(os.Args[1:])
	case name == "image":
		runImage(os.Args[1:])
	case name == "chart":
		runChart(os.Args[1:])
	case name == "inside":
		runInside(os.Args[1:])
	default:
		fail("no component %q", name)
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "node: "+format+"\n", args...)
	os.Exit(2)
}

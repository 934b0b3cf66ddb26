// The components of a node in the order they start, their flags and files.
package main

import "fmt"

// component is one process of the node; program is empty when it is part of
// this binary.
type component struct {
	name    string
	program string
	args    []string
}

func (n node) components() []component {
	pki := func(name string) string { return n.path("pki", name) }
	as := func(name string) string { return "--kubeconfig=" + n.path(name+".kubeconfig") }
	return []component{
		{"etcd", "", []string{
			"--data-dir", n.path("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
			"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
			"--listen-peer-urls", "http://127.0.0.1:2380"}},
		{"kube-apiserver", "", []string{
			"--etcd-servers=http://127.0.0.1:2379", "--advertise-address=" + n.address(), "--secure-port=6443",
			"--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=Node,RBAC",
			"--enable-admission-plugins=NodeRestriction", "--allow-privileged=true", "--client-ca-file=" + pki("ca.crt"),
			"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
			"--kubelet-client-certificate=" + pki("admin.crt"), "--kubelet-client-key=" + pki("admin.key"),
			"--kubelet-certificate-authority=" + pki("ca.crt"),
			// Else exec and port-forward look up the name `node`.
			"--kubelet-preferred-address-types=InternalIP", "--endpoint-reconciler-type=lease",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + pki("sa.pub"), "--service-account-signing-key-file=" + pki("sa.key")}},
		{"containerd", "containerd", []string{"--config", n.path("containerd.toml")}},
		{"kube-controller-manager", "", []string{
			as("manager"), "--leader-elect=false", "--use-service-account-credentials",
			"--service-account-private-key-file=" + pki("sa.key"), "--root-ca-file=" + pki("ca.crt"),
			"--cluster-signing-cert-file=" + pki("ca.crt"), "--cluster-signing-key-file=" + pki("ca.key")}},
		{"kube-scheduler", "", []string{as("scheduler"), "--leader-elect=false"}},
		{"kubelet", "", []string{
			as("node"), "--config=" + n.path("kubelet.yaml"), "--hostname-override=node",
			"--root-dir=" + n.path("kubelet"), "--node-ip=" + n.address()}},
		{"kube-proxy", "", []string{
			as("proxy"), "--hostname-override=node", "--proxy-mode=nftables", "--cluster-cidr=10.244.0.0/16",
			// These sysctls may be read-only here.
			"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0"}},
		{"coredns", "", []string{"-conf", n.path("Corefile")}},
	}
}

func (n node) writeConfigs() {
	n.write("containerd.toml", fmt.Sprintf(`version = 2
root = "%[1]s/containerd"
state = "%[1]s/containerd-state"
[grpc]
  address = "%[1]s/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "towline.test/pause:1"
  restrict_oom_score_adj = true   # works without CAP_SYS_RESOURCE
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "%[1]s/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`, n.dir))
	n.write("cni/10-bridge.conflist", fmt.Sprintf(`{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "%s"}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "%s/ipam"}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
`, n.pods(), n.dir))
	n.write("resolv.conf", "nameserver 127.0.0.1\n")
	n.write("kubelet.yaml", fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false               # refused otherwise where cgroup v1 is all there is
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
featureGates: {KubeletInUserNamespace: true}   # works without CAP_SYS_RESOURCE
containerRuntimeEndpoint: unix://%[1]s/containerd.sock
staticPodPath: %[1]s/manifests
podLogsDir: %[1]s/podlogs
clusterDomain: cluster.local
clusterDNS: [%[2]s]               # CoreDNS runs beside the kubelet, not in a pod
resolvConf: %[1]s/resolv.conf
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[1]s/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: %[1]s/pki/node.crt
tlsPrivateKeyFile: %[1]s/pki/node.key
evictionHard: {memory.available: 100Mi}
imageGCHighThresholdPercent: 100
`, n.dir, n.address()))
	n.write("Corefile", fmt.Sprintf(`.:53 {
    errors
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        endpoint https://%[2]s:6443
        tls %[1]s/admin.crt %[1]s/admin.key %[1]s/ca.crt
        pods insecure
    }
    cache 5
}
`, n.path("pki"), n.address()))
}

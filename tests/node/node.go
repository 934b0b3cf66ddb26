// Starts one node and ends it: namespaces, the pair of network interfaces that
// joins it to the host, its components. The process that `node` becomes is the
// node's life: whoever kills it takes every process, mount and address along.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// node is one cluster: its state directory and its number, from which its
// addresses follow.
type node struct {
	dir    string
	number int
}

func parseNode(args []string) node {
	if len(args) != 2 {
		fail("usage: node node [--keep] DIR NUMBER")
	}
	dir, err := filepath.Abs(args[0])
	check(err, "resolve %s", args[0])
	number, err := strconv.Atoi(args[1])
	if err != nil || number < 0 || number > 200 {
		fail("%q is no number from 0 to 200", args[1])
	}
	return node{dir, number}
}

func (n node) address() string { return fmt.Sprintf("10.99.%d.2", n.number) }
func (n node) host() string    { return fmt.Sprintf("10.99.%d.1", n.number) }
func (n node) pods() string    { return fmt.Sprintf("10.244.%d.0/24", n.number) }
func (n node) link() string    { return fmt.Sprintf("twl-host%d", n.number) }
func (n node) path(name ...string) string {
	return filepath.Join(append([]string{n.dir}, name...)...)
}

// runNode makes the namespaces and stays as their parent; prints "ready" on
// standard output once the node can run pods, and ends when it is told to, when
// the node ends, or, without `--keep`, when standard input closes.
func runNode(args []string) {
	keep := len(args) > 0 && args[0] == "--keep"
	if keep {
		args = args[1:]
	}
	n := parseNode(args)
	for _, name := range []string{"pki", "log", "etcd", "cni", "manifests", "podlogs"} {
		check(os.MkdirAll(n.path(name), 0o755), "make %s", name)
	}
	_ = exec.Command("ip", "link", "del", n.link()).Run() // a killed predecessor's

	self, err := os.Executable()
	check(err, "find this executable")
	log, err := os.Create(n.path("log", "node.log"))
	check(err, "write the log")
	inside := exec.Command(self, "inside", n.dir, strconv.Itoa(n.number))
	inside.Stdout, inside.Stderr = log, log
	inside.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
	}
	check(inside.Start(), "make the node's namespaces (root rights are needed)")
	stop := func() {
		_ = inside.Process.Kill()
		_, _ = inside.Process.Wait()
		os.Exit(0)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() { <-signals; stop() }()

	run("ip", "link", "add", n.link(), "type", "veth", "peer", "name", "twl-node", "netns", strconv.Itoa(inside.Process.Pid))
	run("ip", "addr", "add", n.host()+"/24", "dev", n.link())
	run("ip", "link", "set", n.link(), "up")
	// Pods can be reached from the host, so that direct UDP can be tested; a test
	// of a cluster that cannot be reached drops this route.
	run("ip", "route", "replace", n.pods(), "via", n.address())

	go func() {
		_, _ = inside.Process.Wait()
		fail("the node ended; see %s", n.path("log"))
	}()
	n.waitReady()
	fmt.Println("ready")
	if keep {
		select {}
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	stop()
}

func (n node) waitReady() {
	self, err := os.Executable()
	check(err, "find this executable")
	deadline := time.Now().Add(2 * time.Minute)
	for time.Now().Before(deadline) {
		out, _ := exec.Command(self, "kubectl", "--kubeconfig", n.path("admin.kubeconfig"), "get", "node", "node",
			"-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`).Output()
		if strings.TrimSpace(string(out)) == "True" {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	fail("the node is not ready after 2 minutes; see %s", n.path("log"))
}

// runInside is the first process of the node's namespaces.
func runInside(args []string) {
	n := parseNode(args)
	n.mounts()
	for {
		if exec.Command("ip", "link", "show", "twl-node").Run() == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	run("ip", "link", "set", "lo", "up")
	run("ip", "addr", "add", n.address()+"/24", "dev", "twl-node")
	run("ip", "link", "set", "twl-node", "up")
	run("ip", "route", "add", "default", "via", n.host())
	check(os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0), "forward packets")

	n.writeKeys()
	n.writeConfigs()
	components := n.components()
	for _, component := range components[:3] { // etcd, API server, containerd
		n.start(component)
	}
	n.waitAPIServer()
	for _, component := range components[3:] {
		n.start(component)
	}
	reap()
}

func (n node) mounts() {
	check(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""), "make mounts private")
	check(syscall.Mount("proc", "/proc", "proc", 0, ""), "mount /proc")
	check(os.MkdirAll("/run/netns", 0o755), "make /run/netns")
	// Else pods leave files on the host.
	check(syscall.Mount("netns", "/run/netns", "tmpfs", 0, ""), "mount /run/netns")
}

func (n node) waitAPIServer() {
	client := n.adminClient()
	for {
		response, err := client.Get("https://" + n.address() + ":6443/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// start runs a component with its own log and pid file, again whenever it ends:
// a test restarts one by killing that pid, or keeps it down with a hold file.
func (n node) start(component component) {
	self, err := os.Executable()
	check(err, "find this executable")
	program, args := self, append([]string{component.name}, component.args...)
	if component.program != "" {
		program, args = component.program, component.args
	}
	go func() {
		for {
			log, err := os.OpenFile(n.path("log", component.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			check(err, "write the log of %s", component.name)
			command := exec.Command(program, args...)
			command.Dir, command.Stdout, command.Stderr = n.dir, log, log
			check(command.Start(), "start %s", component.name)
			pid := command.Process.Pid
			own.Store(pid, true)
			check(os.WriteFile(n.path("log", component.name+".pid"), []byte(strconv.Itoa(pid)), 0o644), "write a pid")
			_ = command.Wait()
			own.Delete(pid)
			_ = log.Close()
			for n.held(component.name) {
				time.Sleep(20 * time.Millisecond)
			}
		}
	}()
}

// own holds the pids that somebody here waits for.
var own sync.Map

// reap does what the first process of a pid namespace must: it collects orphans.
// It looks before it takes, so that the components' own exits are left to start.
func reap() {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		pid := 0
		if err == nil {
			pid = int(*(*int32)(unsafe.Pointer(uintptr(unsafe.Pointer(&info)) + 16)))
		}
		if _, ours := own.Load(pid); pid > 0 && !ours {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			continue
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// held says whether a test wants a component to stay down.
func (n node) held(name string) bool {
	_, err := os.Stat(n.path("log", name+".hold"))
	return err == nil
}

func run(name string, args ...string) {
	output, err := exec.Command(name, args...).CombinedOutput()
	check(err, "run %s %s: %s", name, strings.Join(args, " "), output)
}

func check(err error, format string, args ...any) {
	if err != nil {
		fail("unable to "+format+": %v", append(args, err)...)
	}
}

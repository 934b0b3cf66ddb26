// Makes container images without a registry or an engine: one layer from a
// directory, as the archive that `ctr images import` reads.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// runImage serves `node image [--user U] [--arch A] NAME OUT.tar ROOT [CMD...]`.
func runImage(args []string) {
	flags := flag.NewFlagSet("image", flag.ExitOnError)
	user := flags.String("user", "", "the user the image runs as, UID or UID:GID")
	arch := flags.String("arch", runtime.GOARCH, "the architecture the image claims")
	_ = flags.Parse(args)
	if flags.NArg() < 3 {
		fail("usage: node image [--user U] [--arch A] NAME OUT.tar ROOT [CMD...]")
	}
	name, out, root, command := flags.Arg(0), flags.Arg(1), flags.Arg(2), flags.Args()[3:]

	layer, err := exec.Command("tar", "-C", root, "--numeric-owner", "--sort=name", "-cf", "-", ".").Output()
	check(err, "pack %s", root)
	layerDigest := fmt.Sprintf("%x", sha256.Sum256(layer))
	config, err := json.Marshal(map[string]any{
		"architecture": *arch,
		"os":           "linux",
		"config": map[string]any{
			"Cmd": command, "User": *user,
			"Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + layerDigest}},
	})
	check(err, "encode the image's configuration")
	configName := fmt.Sprintf("%x.json", sha256.Sum256(config))
	manifest, err := json.Marshal([]map[string]any{{
		"Config": configName, "RepoTags": []string{name}, "Layers": []string{layerDigest + ".tar"},
	}})
	check(err, "encode the image's manifest")

	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for _, file := range []struct {
		name string
		data []byte
	}{{configName, config}, {layerDigest + ".tar", layer}, {"manifest.json", manifest}} {
		check(writer.WriteHeader(&tar.Header{Name: file.name, Mode: 0o644, Size: int64(len(file.data))}), "pack the image")
		_, err := writer.Write(file.data)
		check(err, "pack the image")
	}
	check(writer.Close(), "pack the image")
	check(os.WriteFile(out, archive.Bytes(), 0o644), "write %s", out)
}

// The cluster's certificate authority, keys and kubeconfigs. Written once per
// state directory, so that a kept cluster starts again with the same keys.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"
)

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func (n node) writeKeys() {
	if _, err := os.Stat(n.path("admin.kubeconfig")); err == nil {
		return
	}
	ca := n.newAuthority()
	account := newKey()
	n.writeKey("sa.key", account)
	public, err := x509.MarshalPKIXPublicKey(&account.PublicKey)
	check(err, "encode a key")
	n.writePEM("sa.pub", "PUBLIC KEY", public)

	n.issue(ca, "apiserver", pkix.Name{CommonName: "kube-apiserver"},
		[]string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"}, []string{"127.0.0.1", "10.96.0.1", n.address()})
	n.issue(ca, "node", pkix.Name{CommonName: "system:node:node", Organization: []string{"system:nodes"}},
		[]string{"node"}, []string{"127.0.0.1", n.address()})
	for name, subject := range map[string]pkix.Name{
		"manager":   {CommonName: "system:kube-controller-manager"},
		"scheduler": {CommonName: "system:kube-scheduler"},
		"proxy":     {CommonName: "system:kube-proxy"},
		"admin":     {CommonName: "admin", Organization: []string{"system:masters"}},
	} {
		n.issue(ca, name, subject, nil, nil)
	}
	n.issueUntil(time.Now().Add(-time.Minute), ca, "late", pkix.Name{CommonName: "late"}, nil, nil)
	for _, name := range []string{"manager", "scheduler", "proxy", "node", "late", "admin"} { // admin last: it says all is there
		n.writeKubeconfig(name)
	}
}

func (n node) newAuthority() authority {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err, "make the authority")
	certificate, err := x509.ParseCertificate(der)
	check(err, "read the authority")
	n.writePEM("ca.crt", "CERTIFICATE", der)
	n.writeKey("ca.key", key)
	return authority{certificate, key}
}

func (n node) issue(ca authority, name string, subject pkix.Name, names, addresses []string) {
	n.issueUntil(time.Now().AddDate(10, 0, 0), ca, name, subject, names, addresses)
}

func (n node) issueUntil(end time.Time, ca authority, name string, subject pkix.Name, names, addresses []string) {
	key := newKey()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	check(err, "make a serial number")
	template := &x509.Certificate{
		SerialNumber: serial, Subject: subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, DNSNames: names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, &key.PublicKey, ca.key)
	check(err, "issue the certificate of %s", name)
	n.writePEM(name+".crt", "CERTIFICATE", der)
	n.writeKey(name+".key", key)
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err, "make a key")
	return key
}

func (n node) writeKey(name string, key *ecdsa.PrivateKey) {
	der, err := x509.MarshalECPrivateKey(key)
	check(err, "encode a key")
	n.writePEM(name, "EC PRIVATE KEY", der)
}

func (n node) writePEM(name, kind string, der []byte) {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	check(os.WriteFile(n.path("pki", name), text, 0o600), "write %s", name)
}

func (n node) writeKubeconfig(name string) {
	n.write(name+".kubeconfig", fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: local, cluster: {server: "https://%[1]s:6443", certificate-authority: %[2]s/ca.crt}}]
users: [{name: %[3]s, user: {client-certificate: %[2]s/%[3]s.crt, client-key: %[2]s/%[3]s.key}}]
contexts: [{name: local, context: {cluster: local, user: %[3]s}}]
current-context: local
`, n.address(), n.path("pki"), name))
}

func (n node) write(name, text string) {
	check(os.WriteFile(n.path(name), []byte(text), 0o600), "write %s", name)
}

// adminClient speaks to the API server with the administrator's certificate.
func (n node) adminClient() *http.Client {
	pair, err := tls.LoadX509KeyPair(n.path("pki", "admin.crt"), n.path("pki", "admin.key"))
	check(err, "read the administrator's key")
	text, err := os.ReadFile(n.path("pki", "ca.crt"))
	check(err, "read the authority")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}},
	}
}

// A web server that computes sums.
package main

import (
	"fmt"
	"net"
	"net/http"
	"path"
	"strconv"
)

func work(n int) int {
	total := 0
	for i := 1; i <= n; i++ {
		total += i * i // break here
	}
	return total
}

func main() {
	http.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "ok")
	})
	http.HandleFunc("/work/", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(path.Base(r.URL.Path))
		fmt.Fprintf(w, "total=%d", work(n))
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, nil))
}

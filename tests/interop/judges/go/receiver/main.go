// A receiver with Go's net/http and standardwebhooks, on the socket whose number is its argument (see tests/conformance/good).
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const longestBody = 4 << 20

// What the receiver did, in a file: an event takes effect once, and that survives restarts.
type ledger struct {
	lock sync.Mutex
	file *os.File
	seen map[string]int
}

func openLedger(path string) (*ledger, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	found := &ledger{file: file, seen: map[string]int{}}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		found.seen[lines.Text()] = 1
	}
	return found, lines.Err()
}

func (kept *ledger) take(id string) error {
	kept.lock.Lock()
	defer kept.lock.Unlock()
	if kept.seen[id] != 0 {
		return nil
	}
	if _, err := kept.file.WriteString(id + "\n"); err != nil {
		return err
	}
	kept.seen[id] = 1
	return nil
}

func (kept *ledger) report(answer http.ResponseWriter, _ *http.Request) {
	kept.lock.Lock()
	defer kept.lock.Unlock()
	if err := json.NewEncoder(answer).Encode(map[string]any{"effects": kept.seen, "total": len(kept.seen)}); err != nil {
		log.Print(err)
	}
}

func hooks(judge *standardwebhooks.Webhook, kept *ledger) http.HandlerFunc {
	return func(answer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(answer, request.Body, longestBody))
		if err != nil || judge.Verify(body, request.Header) != nil {
			answer.WriteHeader(http.StatusBadRequest)
			return
		}
		if kept.take(request.Header.Get(standardwebhooks.HeaderWebhookID)) != nil {
			answer.WriteHeader(http.StatusInternalServerError)
			return
		}
		answer.WriteHeader(http.StatusNoContent)
	}
}

func serve() error {
	number, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	listener, err := net.FileListener(os.NewFile(uintptr(number), "socket"))
	if err != nil {
		return err
	}
	judge, err := standardwebhooks.NewWebhook(os.Getenv("SECRET"))
	if err != nil {
		return err
	}
	kept, err := openLedger(os.Getenv("LEDGER"))
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /hooks", hooks(judge, kept))
	routes.HandleFunc("GET /effects", kept.report)
	server := http.Server{Handler: routes, ReadTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	return server.Serve(listener)
}

func main() {
	log.Fatal(serve())
}

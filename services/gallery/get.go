// Go's net/http, as a person writes it: go-get URL [SECONDS]. With SECONDS, Client.Timeout is set.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func get(url string) error {
	client := http.DefaultClient
	if len(os.Args) > 2 {
		limit, err := time.ParseDuration(os.Args[2] + "s")
		if err != nil {
			return err
		}
		client = &http.Client{Timeout: limit}
	}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	fmt.Print(string(body))
	return nil
}

func main() {
	if err := get(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

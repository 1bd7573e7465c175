// Go 1.19 or later, no packages: PAYDESK_API_KEY=pdk_… go run pay.go
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

type object map[string]any

type order struct {
	ID         string `json:"id"`
	ExternalID string `json:"external_id"`
	Amount     int64  `json:"amount"` // fen
	Payment    struct {
		ID string `json:"id"`
	} `json:"payment"`
	PayParams json.RawMessage `json:"pay_params"`
}

type event struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data struct {
		Order  order `json:"order"`
		Refund struct {
			ExternalID string `json:"external_id"`
		} `json:"refund"`
	} `json:"data"`
}

var client = http.Client{Timeout: 15 * time.Second}

// paydesk sends a request again, as it is, while nobody knows what became of it. A refusal is an error.
func paydesk(method, path string, body any, into any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	for attempt := 1; ; attempt++ {
		status, code, wait := 0, "no answer", time.Second<<(attempt-1)
		request, err := http.NewRequest(method, baseURL()+"/api"+path, bytes.NewReader(content))
		if err != nil {
			return err
		}
		request.Header.Set("authorization", "Bearer "+os.Getenv("PAYDESK_API_KEY"))
		request.Header.Set("content-type", "application/json")
		if answer, err := client.Do(request); err == nil {
			status = answer.StatusCode
			if seconds, err := strconv.Atoi(answer.Header.Get("retry-after")); err == nil {
				wait = time.Duration(seconds) * time.Second
			}
			problem := struct {
				Code string `json:"code"`
			}{}
			if status < 300 {
				err = json.NewDecoder(answer.Body).Decode(into)
			} else if json.NewDecoder(answer.Body).Decode(&problem) == nil {
				code = problem.Code
			}
			answer.Body.Close()
			if status < 300 && err == nil {
				return nil
			}
		}
		refused := status >= 400 && status < 500 && status != 408 && status != 429
		if refused || code == "channel_rejected" || attempt == 4 {
			return fmt.Errorf("%s %s: %d %s", method, path, status, code)
		}
		time.Sleep(wait)
	}
}

func baseURL() string {
	if url := os.Getenv("PAYDESK_URL"); url != "" {
		return url
	}
	return "http://127.0.0.1:3000"
}

// follow reads the feed after an event until the one that is wanted. A shop processes each of them and keeps its id.
func follow(after string, isWanted func(event) bool) string {
	for {
		page := struct {
			Items      []event `json:"items"`
			NextCursor *string `json:"next_cursor"`
		}{}
		must(paydesk("GET", "/events/?types=order.paid,refund.succeeded&after="+after, nil, &page))
		for _, one := range page.Items {
			after = one.ID
			if isWanted(one) {
				return after
			}
		}
		if page.NextCursor == nil {
			time.Sleep(time.Second)
		}
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	// The shop's own number. It is in the shop's database before this call, so that it can be sent again.
	number := fmt.Sprintf("demo-%d", time.Now().UnixNano())
	var placed order
	must(paydesk("POST", "/orders/", object{
		"external_id": number,
		"payer":       object{"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
		"description": "Two cups of tea",
		"amount":      3600,
		"start":       object{"scene": "jsapi"},
	}, &placed))
	fmt.Printf("for wx.requestPayment: %s\n", placed.PayParams)

	// In place of the payer, with the mock only.
	must(paydesk("POST", "/payments/"+placed.Payment.ID+"/succeed/", nil, &object{}))

	paid := follow("", func(one event) bool {
		return one.Type == "order.paid" && one.Data.Order.ExternalID == number
	})
	fmt.Println(number, "is paid: deliver")

	refund := number + "-r1"
	must(paydesk("POST", "/refunds/", object{
		"order_id": placed.ID, "external_id": refund, "amount": 1800, "approve": true,
	}, &object{}))
	follow(paid, func(one event) bool { return one.Data.Refund.ExternalID == refund })
	fmt.Println(refund + ": the payer has 18.00 yuan back")
}

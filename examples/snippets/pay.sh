#!/usr/bin/env bash
# The commands of docs/integration.md, one after another. PAYDESK_API_KEY is set.
set -euo pipefail

B=${PAYDESK_URL:-http://127.0.0.1:3000}/api
paydesk() {
  curl -sS -w '\n' --max-time 15 --retry 3 -X "$1" "$B$2" -H "authorization: Bearer $PAYDESK_API_KEY" \
    -H 'content-type: application/json' ${3:+-d "$3"}
}
pick() { node -p "JSON.parse(require('fs').readFileSync(0)).$1"; }

NUMBER=demo-$(date +%s)
REQUEST='{"external_id":"'$NUMBER'","payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
  "description":"Two cups of tea","amount":3600,"start":{"scene":"jsapi"}}'
ORDER=$(paydesk POST /orders/ "$REQUEST")
echo "$ORDER"
PAYMENT_ID=$(pick payment.id <<<"$ORDER")

paydesk POST /orders/ "$REQUEST"

paydesk POST "/payments/$PAYMENT_ID/succeed/"

paydesk GET "/orders/?external_id=$NUMBER"

EVENTS=$(paydesk GET '/events/?types=order.paid,refund.succeeded&limit=100')
echo "$EVENTS"
LAST_EVENT=$(pick 'items.at(-1).id' <<<"$EVENTS")

ORDER_ID=$(pick id <<<"$ORDER")
paydesk POST /refunds/ '{"order_id":"'$ORDER_ID'","external_id":"'$NUMBER'-r1","amount":1800,"approve":true}'

paydesk GET "/events/?types=order.paid,refund.succeeded&after=$LAST_EVENT"

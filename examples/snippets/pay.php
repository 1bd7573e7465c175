<?php
// PHP 8 with the extension curl: PAYDESK_API_KEY=pdk_… php pay.php

/** Sends a request again, as it is, while nobody knows what became of it. A refusal is a RuntimeException. */
function paydesk(string $method, string $path, ?array $body = null): array
{
    for ($attempt = 1; ; $attempt++) {
        $wait = 2 ** ($attempt - 1);
        $call = curl_init((getenv('PAYDESK_URL') ?: 'http://127.0.0.1:3000') . '/api' . $path);
        curl_setopt_array($call, [
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_HTTPHEADER => [
                'authorization: Bearer ' . getenv('PAYDESK_API_KEY'),
                'content-type: application/json',
            ],
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT => 15,
            CURLOPT_HEADERFUNCTION => function ($call, string $line) use (&$wait): int {
                if (preg_match('/^retry-after: (\d+)/i', $line, $found)) {
                    $wait = (int) $found[1];
                }
                return strlen($line);
            },
        ]);
        if ($body !== null) {
            curl_setopt($call, CURLOPT_POSTFIELDS, json_encode($body, JSON_THROW_ON_ERROR));
        }
        $said = json_decode((string) curl_exec($call), true); // null: a time-out, a broken connection, or no JSON
        $status = curl_getinfo($call, CURLINFO_RESPONSE_CODE);
        if ($status >= 200 && $status < 300 && $said !== null) {
            return $said;
        }
        $isRefused = $status >= 400 && $status < 500 && !in_array($status, [408, 429], true);
        $code = $said['code'] ?? 'no answer';
        if ($isRefused || $code === 'channel_rejected' || $attempt === 4) {
            throw new RuntimeException("$method $path: $status $code");
        }
        sleep($wait);
    }
}

/** Reads the feed after an event until the one that is wanted. A shop processes each of them and keeps its id. */
function follow(string $after, callable $isWanted): string
{
    for (;;) {
        $page = paydesk('GET', '/events/?types=order.paid,refund.succeeded&after=' . $after);
        foreach ($page['items'] as $event) {
            $after = $event['id'];
            if ($isWanted($event)) {
                return $after;
            }
        }
        if ($page['next_cursor'] === null) {
            sleep(1);
        }
    }
}

// The shop's own number. It is in the shop's database before this call, so that it can be sent again.
$number = 'demo-' . hrtime(true);
$order = paydesk('POST', '/orders/', [
    'external_id' => $number,
    'payer' => ['openid' => 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o'],
    'description' => 'Two cups of tea',
    'amount' => 3600,
    'start' => ['scene' => 'jsapi'],
]);
echo 'for wx.requestPayment: ', json_encode($order['pay_params']), "\n";

// In place of the payer, with the mock only.
paydesk('POST', "/payments/{$order['payment']['id']}/succeed/");

$paid = follow('', fn(array $event): bool =>
    $event['type'] === 'order.paid' && $event['data']['order']['external_id'] === $number);
echo "$number is paid: deliver\n";

$refund = "$number-r1";
paydesk('POST', '/refunds/', [
    'order_id' => $order['id'],
    'external_id' => $refund,
    'amount' => 1800,
    'approve' => true,
]);
follow($paid, fn(array $event): bool => ($event['data']['refund']['external_id'] ?? null) === $refund);
echo "$refund: the payer has 18.00 yuan back\n";

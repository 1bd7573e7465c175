// JDK 17 and Jackson: PAYDESK_API_KEY=pdk_… java -cp '/usr/share/java/*' Pay.java

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Map;
import java.util.function.Predicate;

public class Pay {
  static final String URL = System.getenv().getOrDefault("PAYDESK_URL", "http://127.0.0.1:3000");
  static final String KEY = System.getenv("PAYDESK_API_KEY");
  static final HttpClient HTTP = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
  static final ObjectMapper JSON = new ObjectMapper();

  /** Sends a request again, as it is, while nobody knows what became of it. A refusal is an IllegalStateException. */
  static JsonNode paydesk(String method, String path, Object body) throws Exception {
    var content = body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(JSON.writeValueAsString(body));
    var request = HttpRequest.newBuilder(URI.create(URL + "/api" + path)).method(method, content)
        .header("authorization", "Bearer " + KEY).header("content-type", "application/json")
        .timeout(Duration.ofSeconds(15)).build();
    for (int attempt = 1; ; attempt++) {
      int status = 0;
      JsonNode said = JSON.missingNode();
      long waitSeconds = 1L << (attempt - 1);
      try {
        HttpResponse<String> answer = HTTP.send(request, BodyHandlers.ofString());
        status = answer.statusCode();
        waitSeconds = answer.headers().firstValueAsLong("retry-after").orElse(waitSeconds);
        said = JSON.readTree(answer.body());
        if (status < 300) return said;
      } catch (IOException error) {
        // A time-out, a broken connection, or no JSON.
      }
      boolean isRefused = status >= 400 && status < 500 && status != 408 && status != 429;
      String code = said.path("code").asText("no answer");
      if (isRefused || code.equals("channel_rejected") || attempt == 4) {
        throw new IllegalStateException(method + " " + path + ": " + status + " " + code);
      }
      Thread.sleep(waitSeconds * 1000);
    }
  }

  /** Reads the feed after an event until the one that is wanted. A shop processes each of them and keeps its id. */
  static String follow(String after, Predicate<JsonNode> isWanted) throws Exception {
    for (;;) {
      var page = paydesk("GET", "/events/?types=order.paid,refund.succeeded&after=" + after, null);
      for (var event : page.get("items")) {
        after = event.get("id").asText();
        if (isWanted.test(event)) return after;
      }
      if (page.get("next_cursor").isNull()) Thread.sleep(1000);
    }
  }

  public static void main(String[] words) throws Exception {
    // The shop's own number. It is in the shop's database before this call, so that it can be sent again.
    var number = "demo-" + System.currentTimeMillis();
    var order = paydesk("POST", "/orders/", Map.of(
        "external_id", number,
        "payer", Map.of("openid", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
        "description", "Two cups of tea",
        "amount", 3600L,
        "start", Map.of("scene", "jsapi")));
    System.out.println("for wx.requestPayment: " + order.get("pay_params"));

    // In place of the payer, with the mock only.
    paydesk("POST", "/payments/" + order.at("/payment/id").asText() + "/succeed/", null);

    var paid = follow("", (event) -> event.get("type").asText().equals("order.paid")
        && event.at("/data/order/external_id").asText().equals(number));
    System.out.println(number + " is paid: deliver");

    var refund = number + "-r1";
    paydesk("POST", "/refunds/", Map.of(
        "order_id", order.get("id").asText(), "external_id", refund, "amount", 1800L, "approve", true));
    follow(paid, (event) -> event.at("/data/refund/external_id").asText().equals(refund));
    System.out.println(refund + ": the payer has 18.00 yuan back");
  }
}

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.slack.api.app_backend.SlackSignature;
import com.standardwebhooks.Webhook;
import com.twilio.security.RequestValidator;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Judges with Java's libraries: a question a line of JSON on standard input, a verdict a line on standard output (see foreign.py). */
public final class Judge {
    private static final long TOLERANCE_SECONDS = 300;

    /** A question, as foreign.py asks it. */
    private static final class Question {
        private String library;
        private String operation;
        private String secret;
        private String url;
        private Map<String, String> headers;
        private String body;
        private String id;
        private long now;

        private String header(String name) {
            return headers.getOrDefault(name, "");
        }

        private Map<String, List<String>> listed() {
            Map<String, List<String>> listed = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
            headers.forEach((name, value) -> listed.put(name, List.of(value)));
            return listed;
        }

        private Map<String, String> form() {
            Map<String, String> found = new TreeMap<>();
            for (String pair : text().split("&")) {
                String[] parts = pair.split("=", 2);
                found.put(
                        URLDecoder.decode(parts[0], StandardCharsets.UTF_8),
                        parts.length < 2 ? "" : URLDecoder.decode(parts[1], StandardCharsets.UTF_8));
            }
            return found;
        }

        private String text() {
            return new String(Base64.getDecoder().decode(body), StandardCharsets.UTF_8);
        }
    }

    private Judge() {}

    private static boolean verify(Question asked) throws Exception {
        switch (asked.library) {
            case "standardwebhooks":
                new Webhook(asked.secret).verify(asked.text(), asked.listed());
                return true;
            case "svix":
                new com.svix.Webhook(asked.secret).verify(asked.text(), asked.listed());
                return true;
            case "slack-app-backend":
                return new SlackSignature.Verifier(new SlackSignature.Generator(asked.secret))
                        .isValid(asked.header("x-slack-request-timestamp"), asked.text(), asked.header("x-slack-signature"));
            case "twilio":
                RequestValidator judge = new RequestValidator(asked.secret);
                String claimed = asked.header("x-twilio-signature");
                return asked.header("content-type").startsWith("application/x-www-form-urlencoded")
                        ? judge.validate(asked.url, asked.form(), claimed)
                        : judge.validate(asked.url, asked.text(), claimed);
            case "stripe-java":
                return com.stripe.net.Webhook.Signature.verifyHeader(
                        asked.text(), asked.header("stripe-signature"), asked.secret, TOLERANCE_SECONDS);
            default:
                throw new IllegalArgumentException("unknown library " + asked.library);
        }
    }

    private static Map<String, String> sign(Question asked) throws Exception {
        switch (asked.library) {
            case "standardwebhooks":
                return Map.of(
                        "webhook-id", asked.id,
                        "webhook-timestamp", Long.toString(asked.now),
                        "webhook-signature", new Webhook(asked.secret).sign(asked.id, asked.now, asked.text()));
            case "svix":
                return Map.of(
                        "svix-id", asked.id,
                        "svix-timestamp", Long.toString(asked.now),
                        "svix-signature", new com.svix.Webhook(asked.secret).sign(asked.id, asked.now, asked.text()));
            case "slack-app-backend":
                String now = Long.toString(asked.now);
                return Map.of(
                        "x-slack-request-timestamp", now,
                        "x-slack-signature", new SlackSignature.Generator(asked.secret).generate(now, asked.text()));
            case "stripe-java":
                return Map.of(
                        "stripe-signature",
                        com.stripe.net.Webhook.Signature.generateSignatureHeader(asked.text(), asked.secret, asked.now));
            default:
                throw new IllegalArgumentException("unknown library " + asked.library);
        }
    }

    private static JsonObject answer(Gson gson, String line) {
        JsonObject verdict = new JsonObject();
        try {
            Question asked = gson.fromJson(line, Question.class);
            if (asked.operation.equals("sign")) {
                verdict.add("headers", gson.toJsonTree(sign(asked)));
                return verdict;
            }
            try {
                verdict.addProperty("accepted", verify(asked));
            } catch (Exception refusal) {
                verdict.addProperty("accepted", false);
                verdict.addProperty("reason", refusal.toString());
            }
        } catch (Exception fault) {
            verdict.addProperty("failure", fault.toString());
        }
        return verdict;
    }

    /** Answers until standard input ends. */
    public static void main(String[] arguments) throws Exception {
        Gson gson = new Gson();
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            out.println(gson.toJson(answer(gson, line)));
        }
    }
}

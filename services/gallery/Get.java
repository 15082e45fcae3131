// Java's java.net.http.HttpClient, as a person writes it: Get URL [SECONDS]. With SECONDS, both of its timeouts are set.
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

class Get {
    public static void main(String[] words) throws InterruptedException {
        HttpClient.Builder client = HttpClient.newBuilder();
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(words[0]));
        if (words.length > 1) {
            Duration limit = Duration.ofSeconds(Long.parseLong(words[1]));
            client.connectTimeout(limit);
            request.timeout(limit);
        }
        try {
            System.out.print(client.build().send(request.build(), HttpResponse.BodyHandlers.ofString()).body());
        } catch (IOException error) {
            for (Throwable each = error; each != null; each = each.getCause()) {
                System.err.println(each);
            }
            System.exit(1);
        }
        System.exit(0);
    }
}

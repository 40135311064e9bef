import java.io.FileInputStream;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

/** A TLS 1.3 client of the JDK's own stack: Client PORT CA.crt [IDENTITY.p12 PASSWORD]. */
public class Client {
    public static void main(String[] args) throws Exception {
        KeyStore trust = KeyStore.getInstance("PKCS12");
        trust.load(null, null);
        trust.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream(args[1])));
        TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
        trusted.init(trust);
        KeyManager[] keys = null;
        if (args.length > 2) {
            KeyStore own = KeyStore.getInstance("PKCS12");
            own.load(new FileInputStream(args[2]), args[3].toCharArray());
            KeyManagerFactory factory = KeyManagerFactory.getInstance("SunX509");
            factory.init(own, args[3].toCharArray());
            // Whatever issuers the server names: etcd's clients present what they are given.
            X509ExtendedKeyManager manager = (X509ExtendedKeyManager) factory.getKeyManagers()[0];
            String alias = own.aliases().nextElement();
            keys = new KeyManager[] {new Stubborn(manager, alias)};
        }
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(keys, trusted.getTrustManagers(), null);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("localhost", Integer.parseInt(args[0]))) {
            socket.setEnabledProtocols(new String[] {"TLSv1.3"});
            socket.getOutputStream().write("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            socket.getInputStream().readAllBytes();
        }
    }

    static class Stubborn extends X509ExtendedKeyManager {
        final X509ExtendedKeyManager inner;
        final String alias;
        Stubborn(X509ExtendedKeyManager inner, String alias) { this.inner = inner; this.alias = alias; }
        public String chooseClientAlias(String[] types, java.security.Principal[] issuers, java.net.Socket s) { return alias; }
        public String chooseServerAlias(String type, java.security.Principal[] issuers, java.net.Socket s) { return alias; }
        public String[] getClientAliases(String type, java.security.Principal[] issuers) { return new String[] {alias}; }
        public String[] getServerAliases(String type, java.security.Principal[] issuers) { return new String[] {alias}; }
        public java.security.cert.X509Certificate[] getCertificateChain(String a) { return inner.getCertificateChain(a); }
        public java.security.PrivateKey getPrivateKey(String a) { return inner.getPrivateKey(a); }
    }
}

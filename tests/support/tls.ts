/** A certificate for localhost that signs itself, and its key: for tests only, worth nothing. */
export const tls: { readonly cert: string; readonly key: string } = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUOfNr1g/8cvmNGGIjH7fYIhSJ7SYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAxMDAzN1oYDzIxMjYxMDI4
MDEwMDM3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATIBf2JVyo0y5jipk2eNqZvwCKr1shHtgSLLcfQI6sfcgPKzdR3vMg9
VtqYtNQRnO3jUsR3ovptPP+KDuWRhDhyo28wbTAdBgNVHQ4EFgQUI4xY2PBDwbhJ
+lt6gvt45Kj/hWYwHwYDVR0jBBgwFoAUI4xY2PBDwbhJ+lt6gvt45Kj/hWYwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgbTSdbNB3eku/S40VNokVawm20cvkyF8VV8N1xfVIwjYCIQC7
DU+AEkKPJEhAAlKgbPZlyJvuSgWq6+79CS50qaOZ9Q==
-----END CERTIFICATE-----`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOjcQl5ulIvDidliC
hpKjwXbVFS6S4ExAKy3toCz8fIOhRANCAATIBf2JVyo0y5jipk2eNqZvwCKr1shH
tgSLLcfQI6sfcgPKzdR3vMg9VtqYtNQRnO3jUsR3ovptPP+KDuWRhDhy
-----END PRIVATE KEY-----`,
};

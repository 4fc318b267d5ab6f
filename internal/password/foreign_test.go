package password

const (
	staple     = "correct horse battery staple"
	composed   = "Z\u00fcrich, trois caf\u00e9s \u00e0 la cr\u00e8me"     // in NFC
	decomposed = "Zu\u0308rich, trois cafe\u0301s a\u0300 la cre\u0300me" // the same in NFD
	long       = "0123456789abcdef" + "0123456789abcdef" + "0123456789abcdef" +
		"0123456789abcdef" + "0123456789abcdef" + "0123456789abcdef" // 96 bytes
)

// foreign are hashes that other implementations made.
var foreign = []struct{ origin, password, encoded string }{
	{"argon2-cffi 25.1.0, id m=19456 t=2 p=1", staple, "$argon2id$v=19$m=19456,t=2,p=1$sbmYaIBw/otECnJ6K9074w$JldE6kbfENk6CejlblE1Jd+JjW8OACmBbDaiWfn4It4"},
	{"argon2-cffi 25.1.0, id m=19456 t=2 p=1", composed, "$argon2id$v=19$m=19456,t=2,p=1$xxytxmIuzvLe+vTh9pGZcQ$ahyKyLVBHlsyX4l7f6kjNIHqClHVrCEqTVkNqNQCcug"},
	{"argon2-cffi 25.1.0, id m=1024 t=3 p=4", staple, "$argon2id$v=19$m=1024,t=3,p=4$/y8VRzOlOyw$COXXfYfCpwiY6mimswi3oQ"},
	{"argon2-cffi 25.1.0, i", staple, "$argon2i$v=19$m=512,t=3,p=2$nV4XyfBAyfq8M6V7GUoJRA$7wlT4kk+ttT8m8a56dHwI3egTzbgiKdaCiB1ykeAFHg"},
	{"argon2-cffi 25.1.0, id, decomposed", decomposed, "$argon2id$v=19$m=512,t=1,p=1$geWhrJ/cOQd0mwpFK7oYHA$lAy6ARfGWzVdmCs66Q/Cu60K4iqD53quGi04RG00w3I"},
	{"passlib 1.7.4 argon2", staple, "$argon2id$v=19$m=256,t=2,p=1$1BpDiBHi3Ls3BuDce++9Fw$U9nGJTYvVdsesqorRFsjcl+NG1n5zg56TwQIOdiUyA8"},
	{"Django 5.2 argon2", staple, "argon2$argon2id$v=19$m=1024,t=2,p=8$mY5W+01NP+8+fEbQtuAv3A$Yc68uKBAOODmOdmDoUL8MJ/rtoAXDfkirHtSS4f5qEA"},
	{"bcrypt 4.0.1, $2a$", staple, "$2a$04$rAJsCjq/WNBVc4oN5pzCjuRQcCJDF81c5ofptw96s75umayIpkVnG"},
	{"bcrypt 4.0.1, $2a$", composed, "$2a$04$5ZuTHrCxmAUuBMp3cLlvheISSniXZiG6zws5smoASRSqDzMMnHmGO"},
	{"bcrypt 4.0.1, $2b$", staple, "$2b$04$ZzfJ9kOwDEwVtcaZgWiDv.pL.PHfAimjBNdNke1VFbpAg6spHfuxK"},
	{"bcrypt 4.0.1, $2b$", composed, "$2b$04$cZ9C/TdSUa.txZ/bfeJabOK3ebBRswmgdTqWU6lN8AzFFznVmI5f2"},
	{"bcrypt 4.0.1, 96 bytes, cut at 72", long, "$2b$04$2lKDFqjSsQJqAkk6uOh0cu8j1mhdmVmY8n/2sbkOvxmhbGLYQAAOe"},
	{"bcrypt 4.0.1, empty", "", "$2b$04$y/eYJFBry9ctlAHhcDho3uM7JnQMps/BV7hCvBQJB1rUIcFQ4EnG6"},
	{"passlib 1.7.4 bcrypt, $2y$", staple, "$2y$05$AyeONDfG3eii6bcLV63tvuvF5gv00eg/SuUKgM/xl1AMAoX9etD.W"},
	{"Django 5.2 bcrypt", staple, "bcrypt$$2b$04$882Dhe3eRGzXjUzDT6yF6OkozsGBIGjbHQmEdKMpXg6/8In5PjlLG"},
	{"Django 5.2 bcrypt_sha256", staple, "bcrypt_sha256$$2b$04$cNy5boQ9tp5dm0MgcssBIed7C3rXRfk9XjjOJImmNTzi0aScJdL1u"},
	{"Django 5.2 bcrypt_sha256", composed, "bcrypt_sha256$$2b$04$SMYnUa2A1KD7Ke1HGRoy2u2r1CrrfboG719QTpEiNckXnKGxKksxq"},
	{"Django 5.2 bcrypt_sha256", long, "bcrypt_sha256$$2b$04$sBg9enQNteQV/h5jaKmQ1OkjIHzrtQAWOsciaALHz76cZxGAL2qLC"},
	{"passlib 1.7.4 scrypt", staple, "$scrypt$ln=10,r=8,p=1$7/3//78XgrDWmtP6nzMm5A$cvbr5ZxrUjV/f3e2T52qX01xImMlpcFyukyiOozCKuw"},
	{"passlib 1.7.4 scrypt", composed, "$scrypt$ln=10,r=8,p=1$L6UUgpAyZuydU4rROoeQ0g$dc40DyPSh7tdsjXwhEvQ+/dMNNJ/Zr/8IbZyIdYV+uU"},
	{"passlib 1.7.4 scrypt, r=4 p=2", staple, "$scrypt$ln=8,r=4,p=2$WSulNIZwTqlVihHiXKt1rg$YcxL8LsV0yRtTYs72T5Bg8fA/jEd1fqjbmvMK70KF+Y"},
	{"Werkzeug 3.1 scrypt", staple, "scrypt:1024:8:1$W44SmkAMwgy8fizN$94167bef470a352e58856d0909ca550d696252614f32d2844df615402c48279476763297c40f0b4731ead7fc58754438d9f4e7963f16b7828c8de6c9512ac8e8"},
	{"Werkzeug 3.1 scrypt", composed, "scrypt:1024:8:1$kO1h7ZnP7nTuWqpN$112ad25f69df129bd7719e4c3b3dadb180a3afd12ad9ab3ff689fbae970698ddf8d9f7cfd5f85498e280e189aedd95ea36c5ae57dda64e7aab0215632d015c1e"},
	{"Werkzeug 3.1 scrypt, its default", staple, "scrypt:32768:8:1$HoTcVpuzXNjVcnTn$334246f4f0dd8caa924c02580b315149187924a39ad0dc1c95c72bcf73bf1bf5eb8e98e5f1abf3b51f6890d69a5d8d750bde0ec5af805519abbfc2705aab3146"},
	{"Django 5.2 scrypt", staple, "scrypt$1024$fMLM967yhMXnrMJ4F972fX$8$5$vzBPn44MmjMwa1XCa4VvzDABxAKjQfjnGbRQHFE/T7rbeCeRhhwynlpiklNnidNg4yXvXJAa5fmFlOI8L33RYg=="},
	{"passlib 1.7.4 pbkdf2_sha256", staple, "$pbkdf2-sha256$1000$qZWyllIKofTe2/v/f2/NWQ$QNstc5jG1vw.vkK0YeAJ9klLxN4ig/.5LWJhyWGBvas"},
	{"passlib 1.7.4 pbkdf2_sha512", staple, "$pbkdf2-sha512$1000$jvGeU4oxxvifs3YOwVhrzTlnrBWidK713tu7VyrF.B.D$L1p3Tk4unqPzS/fS92OAFlRAck.DnRvXtBA05oVMnsb1HmksKAuYO4XMpwb4Y7YjeV56DnlGZox2EBKtdEuYVA"},
	{"Django 5.2 pbkdf2_sha256", staple, "pbkdf2_sha256$1000$seasalt2seasalt2$zU5AZO+q3BQs8wjYk63K6MkmzA8pgpmxuE/RgiDJYnM="},
	{"passlib 1.7.4 pbkdf2_sha256", composed, "$pbkdf2-sha256$1000$hpDSOgdgDOGcE0LoHYOQEg$1iajwIan87sx0BwIDadyJ/n3wh51UI8tu1Muk43fKRM"},
	{"passlib 1.7.4 pbkdf2_sha512", composed, "$pbkdf2-sha512$1000$.r83ptS61/rfW2ttbQ2h1Fqr1RrD2Ns7B8B4b21NSclZ$WxlzWYSQkvxBaYAbEfdOyHztk5.vl047Ha6M4LcQFL1XGXN54wASDLsnc9MZjPcYHqHhexEp2RhAl85pTZY3bw"},
	{"Django 5.2 pbkdf2_sha256", composed, "pbkdf2_sha256$1000$seasalt2seasalt2$mEiIYmskbHDfC4H2LmX9oe527hKOK7f8Vr5MPX/UMaA="},
	{"Django 5.2 pbkdf2_sha256, its default", staple, "pbkdf2_sha256$1000000$n74GOk2jOiwseB0cDeyYFw$H8c9y0ebyhSvyfIInjU2Mtwo6/0TeYakYn/gYTzQlow="},
	{"Django 5.2 with SHA-512", staple, "pbkdf2_sha512$1000$hjuHArMTamV3ZVC72RY8Fk$Gbs3/BHCcneab7vSSZY3Vuu+FAhy6W1r4jSquBCAo5T7zlq3kzUiGgygmeWSdsUBC97rVpG5bfOcXWnXAjJhmQ=="},
	{"Werkzeug 3.1 pbkdf2:sha256", staple, "pbkdf2:sha256:1000$zkpGZVsrCaBf2G2N$6532020bce3ffaca6d0fa051954a705619875154d0a74d406d2763e49b1de881"},
	{"Werkzeug 3.1 pbkdf2:sha512", staple, "pbkdf2:sha512:1000$2jMGGYRcjS6RCm88$b74c06f69c9ab909a7830308e8a740c4227c885d3dde74000a689a7e6f976ccc36adac951465d42b93ee242cbd400d0f65b61a4d90b86104dfdc6f325ac7db90"},
	{"Python hashlib, written as PHC", staple, "$pbkdf2-sha256$i=1000,l=32$AAECAwQFBgcICQoLDA0ODw$ppsXnjrdPB4KryJ6DrOqKqhkWrhv7PbKAMF1Eml8cZ4"},
	{"Python hashlib, written as PHC", staple, "$pbkdf2-sha512$i=1000$AAECAwQFBgcICQoLDA0ODw$A6AmFIti7CKlYdoPiV9jf1d9llp37o27Wms8Zx8fwMJGCOigJzAthOW3Pg+XF5PnNiYnsQsIz1N5NtynrEm78w"},
}

// Test vectors of RFC 9807, appendix C, for P256-SHA256: real 5 and 6, fake 3. The context is "OPAQUE-POC", the key
// stretching function the identity.
#pragma once

namespace skymoor::crypto::opaque::vectors {

struct Real {
  const char *client_identity, *server_identity, *oprf_seed, *credential_identifier, *password,
      *envelope_nonce, *masking_nonce, *server_private_key, *server_public_key, *server_nonce, *client_nonce,
      *client_keyshare_seed, *server_keyshare_seed, *blind_registration, *blind_login, *client_public_key,
      *randomized_password, *oprf_key, *registration_request, *registration_response, *registration_upload,
      *ke1, *ke2, *ke3, *export_key, *session_key;
};
inline constexpr Real kReal[] = {
    {
        .client_identity = "",
        .server_identity = "",
        .oprf_seed = "62f60b286d20ce4fd1d64809b0021dad6ed5d52a2c8cf27ae6582543a0a8dce2",
        .credential_identifier = "31323334",
        .password = "436f7272656374486f72736542617474657279537461706c65",
        .envelope_nonce = "a921f2a014513bd8a90e477a629794e89fec12d12206dde662ebdcf65670e51f",
        .masking_nonce = "38fe59af0df2c79f57b8780278f5ae47355fe1f817119041951c80f612fdfc6d",
        .server_private_key = "c36139381df63bfc91c850db0b9cfbec7a62e86d80040a41aa7725bf0e79d5e5",
        .server_public_key = "035f40ff9cf88aa1f5cd4fe5fd3da9ea65a4923a5594f84fd9f2092d6067784874",
        .server_nonce = "71cd9960ecef2fe0d0f7494986fa3d8b2bb01963537e60efb13981e138e3d4a1",
        .client_nonce = "ab3d33bde0e93eda72392346a7a73051110674bbf6b1b7ffab8be4f91fdaeeb1",
        .client_keyshare_seed = "633b875d74d1556d2a2789309972b06db21dfcc4f5ad51d7e74d783b7cfab8dc",
        .server_keyshare_seed = "05a4f54206eef1ba2f615bc0aa285cb22f26d1153b5b40a1e85ff80da12f982f",
        .blind_registration = "411bf1a62d119afe30df682b91a0a33d777972d4f2daa4b34ca527d597078153",
        .blind_login = "c497fddf6056d241e6cf9fb7ac37c384f49b357a221eb0a802c989b9942256c1",
        .client_public_key = "03b218507d978c3db570ca994aaf36695a731ddb2db272c817f79746fc37ae5214",
        .randomized_password = "06be0a1a51d56557a3adad57ba29c5510565dcd8b5078fa319151b9382258fb0",
        .oprf_key = "2dfb5cb9aa1476093be74ca0d43e5b02862a05f5d6972614d7433acdc66f7f31",
        .registration_request = "029e949a29cfa0bf7c1287333d2fb3dc586c41aa652f5070d26a5315a1b50229f8",
        .registration_response =
            "0350d3694c00978f00a5ce7cd08a00547e4ab5fb5fc2b2f6717cdaa6c89136efef035f40ff9cf88aa1f5cd4fe5fd3da9"
            "ea65a4923a5594f84fd9f2092d6067784874",
        .registration_upload =
            "03b218507d978c3db570ca994aaf36695a731ddb2db272c817f79746fc37ae52147f0ed53532d3ae8e505ecc70d42d2b"
            "814b6b0e48156def71ea029148b2803aafa921f2a014513bd8a90e477a629794e89fec12d12206dde662ebdcf65670e5"
            "1fad30bbcfc1f8eda0211553ab9aaf26345ad59a128e80188f035fe4924fad67b8",
        .ke1 =
            "037342f0bcb3ecea754c1e67576c86aa90c1de3875f390ad599a26686cdfee6e07ab3d33bde0e93eda72392346a7a730"
            "51110674bbf6b1b7ffab8be4f91fdaeeb1022ed3f32f318f81bab80da321fecab3cd9b6eea11a95666dfa6beeaab3212"
            "80b6",
        .ke2 =
            "0246da9fe4d41d5ba69faa6c509a1d5bafd49a48615a47a8dd4b0823cc1476481138fe59af0df2c79f57b8780278f5ae"
            "47355fe1f817119041951c80f612fdfc6d2f0c547f70deaeca54d878c14c1aa5e1ab405dec833777132eea905c2fbb12"
            "504a67dcbe0e66740c76b62c13b04a38a77926e19072953319ec65e41f9bfd2ae26837b6ce688bf9af2542f04eec9ab9"
            "6a1b9328812dc2f5c89182ed47fead61f09f71cd9960ecef2fe0d0f7494986fa3d8b2bb01963537e60efb13981e138e3"
            "d4a103c1701353219b53acf337bf6456a83cefed8f563f1040b65afbf3b65d3bc9a19b50a73b145bc87a157e8c58c034"
            "2e2047ee22ae37b63db17e0a82a30fcc4ecf7b",
        .ke3 = "e97cab4433aa39d598e76f13e768bba61c682947bdcf9936035e8a3a3ebfb66e",
        .export_key = "c3c9a1b0e33ac84dd83d0b7e8af6794e17e7a3caadff289fbd9dc769a853c64b",
        .session_key = "484ad345715ccce138ca49e4ea362c6183f0949aaaa1125dc3bc3f80876e7cd1",
    },
    {
        .client_identity = "616c696365",
        .server_identity = "626f62",
        .oprf_seed = "62f60b286d20ce4fd1d64809b0021dad6ed5d52a2c8cf27ae6582543a0a8dce2",
        .credential_identifier = "31323334",
        .password = "436f7272656374486f72736542617474657279537461706c65",
        .envelope_nonce = "a921f2a014513bd8a90e477a629794e89fec12d12206dde662ebdcf65670e51f",
        .masking_nonce = "38fe59af0df2c79f57b8780278f5ae47355fe1f817119041951c80f612fdfc6d",
        .server_private_key = "c36139381df63bfc91c850db0b9cfbec7a62e86d80040a41aa7725bf0e79d5e5",
        .server_public_key = "035f40ff9cf88aa1f5cd4fe5fd3da9ea65a4923a5594f84fd9f2092d6067784874",
        .server_nonce = "71cd9960ecef2fe0d0f7494986fa3d8b2bb01963537e60efb13981e138e3d4a1",
        .client_nonce = "ab3d33bde0e93eda72392346a7a73051110674bbf6b1b7ffab8be4f91fdaeeb1",
        .client_keyshare_seed = "633b875d74d1556d2a2789309972b06db21dfcc4f5ad51d7e74d783b7cfab8dc",
        .server_keyshare_seed = "05a4f54206eef1ba2f615bc0aa285cb22f26d1153b5b40a1e85ff80da12f982f",
        .blind_registration = "411bf1a62d119afe30df682b91a0a33d777972d4f2daa4b34ca527d597078153",
        .blind_login = "c497fddf6056d241e6cf9fb7ac37c384f49b357a221eb0a802c989b9942256c1",
        .client_public_key = "03b218507d978c3db570ca994aaf36695a731ddb2db272c817f79746fc37ae5214",
        .randomized_password = "06be0a1a51d56557a3adad57ba29c5510565dcd8b5078fa319151b9382258fb0",
        .oprf_key = "2dfb5cb9aa1476093be74ca0d43e5b02862a05f5d6972614d7433acdc66f7f31",
        .registration_request = "029e949a29cfa0bf7c1287333d2fb3dc586c41aa652f5070d26a5315a1b50229f8",
        .registration_response =
            "0350d3694c00978f00a5ce7cd08a00547e4ab5fb5fc2b2f6717cdaa6c89136efef035f40ff9cf88aa1f5cd4fe5fd3da9"
            "ea65a4923a5594f84fd9f2092d6067784874",
        .registration_upload =
            "03b218507d978c3db570ca994aaf36695a731ddb2db272c817f79746fc37ae52147f0ed53532d3ae8e505ecc70d42d2b"
            "814b6b0e48156def71ea029148b2803aafa921f2a014513bd8a90e477a629794e89fec12d12206dde662ebdcf65670e5"
            "1f4d7773a36a208a866301dbb2858e40dc5638017527cf91aef32d3848eebe0971",
        .ke1 =
            "037342f0bcb3ecea754c1e67576c86aa90c1de3875f390ad599a26686cdfee6e07ab3d33bde0e93eda72392346a7a730"
            "51110674bbf6b1b7ffab8be4f91fdaeeb1022ed3f32f318f81bab80da321fecab3cd9b6eea11a95666dfa6beeaab3212"
            "80b6",
        .ke2 =
            "0246da9fe4d41d5ba69faa6c509a1d5bafd49a48615a47a8dd4b0823cc1476481138fe59af0df2c79f57b8780278f5ae"
            "47355fe1f817119041951c80f612fdfc6d2f0c547f70deaeca54d878c14c1aa5e1ab405dec833777132eea905c2fbb12"
            "504a67dcbe0e66740c76b62c13b04a38a77926e19072953319ec65e41f9bfd2ae268d7f106042021c80300e4c6f58598"
            "0cf39fc51a4a6bba41b0729f9b240c729e5671cd9960ecef2fe0d0f7494986fa3d8b2bb01963537e60efb13981e138e3"
            "d4a103c1701353219b53acf337bf6456a83cefed8f563f1040b65afbf3b65d3bc9a19b84922c7e5d074838a8f278592c"
            "53f61fb59f031e85ad480c0c71086b871e1b24",
        .ke3 = "46833578cee137775f6be3f01b80748daac5a694101ad0e9e7025480552da56a",
        .export_key = "c3c9a1b0e33ac84dd83d0b7e8af6794e17e7a3caadff289fbd9dc769a853c64b",
        .session_key = "27766fabd8dd88ff37fbd0ef1a491e601d10d9f016c2b28c4bd1b0fb7511a3c3",
    },
};

struct Fake {
  const char *client_identity, *server_identity, *oprf_seed, *credential_identifier, *masking_nonce,
      *client_public_key, *server_private_key, *server_public_key, *server_nonce, *server_keyshare_seed,
      *masking_key, *ke1, *ke2;
};
inline constexpr Fake kFake = {
    .client_identity = "616c696365",
    .server_identity = "626f62",
    .oprf_seed = "bb1cd59e16ac09bc0cb6d528541695d7eba2239b1613a3db3ade77b36280f725",
    .credential_identifier = "31323334",
    .masking_nonce = "9c035896a043e70f897d87180c543e7a063b83c1bb728fbd189c619e27b6e5a6",
    .client_public_key = "03b81708eae026a9370616c22e1e8542fe9dbebd36ce8a2661b708e9628f4a57fc",
    .server_private_key = "34fbe7e830be1fe8d2187c97414e3826040cbe49b893b64229bab5e85a5888c7",
    .server_public_key = "0221e034c0e202fe883dcfc96802a7624166fed4cfcab4ae30cf5f3290d01c88bf",
    .server_nonce = "1e10f6eeab2a7a420bf09da9b27a4639645622c46358de9cf7ae813055ae2d12",
    .server_keyshare_seed = "360b0937f47d45f6123a4d8f0d0c0814b6120d840ebb8bc5b4f6b62df07f78c2",
    .masking_key = "caecc6ccb4cae27cb54d8f3a1af1bac52a3d53107ce08497cdd362b1992e4e5e",
    .ke1 =
        "0396875da2b4f7749bba411513aea02dc514a48d169d8a9531bd61d3af3fa9baae42d4e61ed3f8d64cdd3b9d153343ec"
        "a15b9b0d5e388232793c6376bd2d9cfd0a02147a6583983cc9973b5082db5f5070890cb373d70f7ac1b41ed230536100"
        "9784",
    .ke2 =
        "0201198dcd13f9792eb75dcfa815f61b049abfe2e3e9456d4bbbceec5f442efd049c035896a043e70f897d87180c543e"
        "7a063b83c1bb728fbd189c619e27b6e5a6facda65ce0a97b9085e7af07f61fd3fdd046d257cbf2183ce8766090b8041a"
        "8bf28d79dd4c9031ddc75bb6ddb4c291e639937840e3d39fc0d5a3d6e7723c09f7945df485bcf9aefe3fe82d149e8404"
        "9e259bb5b33d6a2ff3b25e4bfb7eff0962821e10f6eeab2a7a420bf09da9b27a4639645622c46358de9cf7ae813055ae"
        "2d12023f82bbb24e75b8683fd13b843cd566efae996cd0016cffdcc24ee2bc937d026f80144878749a69565b433c1040"
        "aff67e94f79345de888a877422b9bbe21ec329",
};

}  // namespace skymoor::crypto::opaque::vectors

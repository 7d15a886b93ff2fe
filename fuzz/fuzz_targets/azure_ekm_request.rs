#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strongroom_fuzz_targets::azure_ekm_request(data));

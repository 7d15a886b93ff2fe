#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strongroom_fuzz_targets::aws_xks_request(data));

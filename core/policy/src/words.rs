//! How AWS words the refusal of a document (the messages of `MalformedPolicyDocumentException` and its kin). They say
//! less than ours: neither the place nor the remedy.
//!
//! Key policies: from replies of KMS that were published, else from those of services that read resource policies alike. Others:
//! from replies of IAM.

use crate::document::Kind;
use crate::error::PolicyError;

impl PolicyError {
    /// The refusal of a document of this kind in AWS's words; ours where AWS's are not known.
    #[must_use]
    pub fn aws_message(&self, kind: Kind) -> String {
        let words = match kind {
            Kind::Resource | Kind::Guardrail => self.of_key_policy(),
            Kind::Identity | Kind::Trust => self.of_iam_policy(kind),
        };
        words.unwrap_or_else(|| self.to_string())
    }

    fn of_key_policy(&self) -> Option<String> {
        Some(match self {
            Self::MissingElement { element: "Principal or NotPrincipal", .. } => no_principal(),
            Self::Empty { path } if path.contains("Principal") => no_principal(),
            Self::InvalidPrincipal { .. } | Self::UnknownPrincipal { service: false, .. } => {
                "Policy contains a statement with one or more invalid principals.".to_owned()
            }
            Self::UnknownPrincipal { service: true, .. } => {
                "Policy contains a statement with one or more invalid service principals.".to_owned()
            }
            Self::UnknownVersion { .. } => "The policy must contain a valid version string".to_owned(),
            Self::UnknownEffect { found, .. } => format!("Invalid effect: {found}"),
            _ => return self.of_any(),
        })
    }

    fn of_iam_policy(&self, kind: Kind) -> Option<String> {
        Some(match self {
            Self::UnknownVersion { .. } => "Policy document must be version 2012-10-17 or greater.".to_owned(),
            Self::DuplicateSid { .. } => "Statement IDs (SID) in a single policy must be unique.".to_owned(),
            Self::InvalidSid { .. } => {
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the \
                                        regular expression [0-9A-Za-z]*"
                    .to_owned()
            }
            Self::MissingElement { element: "Action or NotAction", .. } => {
                "Policy statement must contain actions.".to_owned()
            }
            Self::MissingElement { element: "Resource or NotResource", .. } => {
                "Policy statement must contain resources.".to_owned()
            }
            Self::UnknownElement { name, .. } if kind == Kind::Trust && name.ends_with("Resource") => {
                format!("Has prohibited field {name}")
            }
            Self::InvalidAction { found, .. } if !found.contains(':') => {
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned()
            }
            Self::InvalidAction { found, .. } if found.matches(':').count() > 1 => {
                "Actions/Condition can contain only one colon.".to_owned()
            }
            Self::InvalidResource { found, .. } => format!("Resource {found} must be in ARN format or \"*\"."),
            Self::PrincipalForbidden { .. } => "Policy document should not specify a principal.".to_owned(),
            Self::NotAnAssumeAction { .. } => "AssumeRole policy may only specify STS AssumeRole actions.".to_owned(),
            Self::InvalidPrincipal { path, found } => {
                let kind = ["AWS", "Service", "Federated", "CanonicalUser"].iter().find(|kind| path.contains(**kind));
                format!("Invalid principal in policy: \"{}\":\"{found}\"", kind.unwrap_or(&"AWS"))
            }
            Self::UnknownPrincipal { found, service } => {
                let kind = if *service { "SERVICE" } else { "AWS" };
                format!("Invalid principal in policy: \"{kind}\":\"{found}\"")
            }
            Self::UnknownEffect { .. } | Self::WrongType { .. } | Self::Empty { .. } => syntax_errors(),
            _ => return self.of_any(),
        })
    }

    fn of_any(&self) -> Option<String> {
        Some(match self {
            Self::Json { .. } | Self::TooDeep { .. } => "This policy contains invalid Json".to_owned(),
            Self::MissingElement { element, .. } => {
                format!("Missing required field {}", element.split(' ').next().unwrap_or(element))
            }
            Self::UnknownElement { name, .. } => format!("Unknown field {name}"),
            Self::UnknownOperator { found, .. } => format!("Invalid Condition type : {found}"),
            _ => return None,
        })
    }
}

fn no_principal() -> String {
    "Policy contains a statement with no principal.".to_owned()
}

fn syntax_errors() -> String {
    "Syntax errors in policy.".to_owned()
}

use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::{directory, provision::Syncs, store::memory::MemoryStore};

/// Says this again and again.
struct Endless(Vec<Profile>);

#[async_trait]
impl People for Endless {
    async fn count(&self) -> Option<u64> {
        None
    }

    async fn next_page(
        &mut self,
        _seen: &(dyn for<'s> Fn(&'s str) -> bool + std::marker::Sync),
    ) -> Result<Option<Vec<Profile>>, Unheard> {
        tokio::task::yield_now().await;
        Ok(Some(self.0.clone()))
    }

    async fn is_gone(&self, _subject: &str) -> Result<bool, Unheard> {
        Ok(false)
    }
}

fn source() -> Arc<Source> {
    let written = "kind = \"passwd-file\"\ndomains = [\"example.org\"]\npath = \"/nowhere\"";
    let written = toml::from_str(written).unwrap();
    let settings = directory::Settings::mean(&"corp".parse().unwrap(), &written).unwrap();
    Source::of_directory(&settings).into()
}

/// What a run over these people comes to.
async fn outcome(people: Vec<Profile>) -> SyncOutcome {
    let work = Sync {
        store: Arc::new(MemoryStore::new()),
        source: source(),
        people: Box::new(Endless(people)),
        names: Arc::default(),
        home: "/srv/%u".to_owned(),
        on_withdrawn: Arc::new(|_, _, _| ()),
        on_question: Arc::new(|| Box::new(|_, _, _| ())),
    };
    let (syncs, name) = (Syncs::default(), work.source.name.clone());
    syncs.start(work, Order::default()).await.unwrap();
    let ended = async {
        while syncs.is_under_way(&name) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it ends");
    syncs.progress(&name).unwrap().run.outcome
}

#[tokio::test]
async fn a_list_that_never_ends_is_no_list() {
    let ann = Profile { subject: "1".to_owned(), enabled: true, ..Profile::default() };
    for people in [vec![], vec![ann]] {
        let SyncOutcome::Failed(why) = outcome(people).await else { panic!("it failed") };
        assert!(why.contains("end"), "{why}");
    }
}

/// Such an id could never log in.
#[tokio::test]
async fn an_id_that_is_none_ends_the_run() {
    for subject in ["", "a\nb", &"a".repeat(256)] {
        let person = Profile { subject: subject.to_owned(), ..Profile::default() };
        let SyncOutcome::Failed(why) = outcome(vec![person]).await else { panic!("{subject}") };
        assert!(why.contains("id"), "{why}");
    }
}

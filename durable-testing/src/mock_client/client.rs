//! The client that code under test gets.

use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::client::{
    ClientError, ControlRequest, DurableClient, InstanceCount, InstancePage, InstanceQuery, InstanceStatus,
    PendingActivity, PurgePage, PurgeRequest, RestartRequest, StartRequest, WaitUntil,
};
use durable_core::history::HistoryEvent;
use durable_core::model::{EventName, InstanceId, Payload, TaskHubName};
use parking_lot::Mutex;

use super::Call;
use super::script::{Found, Script};
use super::world::World;

/// What a mock and its clients share.
pub(super) struct Shared {
    pub(super) hub: TaskHubName,
    /// Calls that nobody expects are answered by the world.
    pub(super) is_lenient: bool,
    pub(super) script: Mutex<Script>,
}

type Answered<'a, T> = BoxFuture<'a, Result<T, ClientError>>;

impl Shared {
    fn reply<'a, T: Send + 'static>(
        &'a self,
        call: Call,
        otherwise: impl FnOnce(&mut World) -> Result<T, ClientError> + Send + 'a,
    ) -> Answered<'a, T> {
        Box::pin(async move { self.answer(&call, otherwise) })
    }

    fn answer<T: 'static>(
        &self,
        call: &Call,
        otherwise: impl FnOnce(&mut World) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut script = self.script.lock();
        script.calls.push(call.clone());
        let answer = match script.find(call) {
            Found::Answer(answer) => answer,
            Found::Nothing if self.is_lenient => return otherwise(&mut script.world),
            Found::Nothing | Found::Forbidden => {
                let message = script.about_unexpected(call);
                script.unexpected.push(message.clone());
                drop(script);
                panic!("{message}");
            }
        };
        // A closure that answers may ask the mock, so no lock of it is held here.
        drop(script);
        let reply = (*answer.lock())(call)?;
        Ok(*reply.downcast().unwrap_or_else(|_| panic!("the answer is not one to '{call}'")))
    }
}

impl DurableClient for Shared {
    fn task_hub(&self) -> &TaskHubName {
        &self.hub
    }

    fn start(&self, request: StartRequest) -> Answered<'_, InstanceId> {
        self.reply(Call::Start(request.clone()), |world| world.start(request))
    }

    fn status(&self, id: &InstanceId) -> Answered<'_, Option<InstanceStatus>> {
        let id = id.clone();
        self.reply(Call::Status { id: id.clone() }, move |world| Ok(world.status(&id)))
    }

    fn wait(
        &self,
        id: &InstanceId,
        until: WaitUntil,
        timeout: Option<Duration>,
    ) -> Answered<'_, Option<InstanceStatus>> {
        let id = id.clone();
        self.reply(Call::Wait { id: id.clone(), until, timeout }, move |world| Ok(world.status(&id)))
    }

    fn raise_event(&self, id: &InstanceId, name: EventName, payload: Payload) -> Answered<'_, ()> {
        let id = id.clone();
        self.reply(Call::RaiseEvent { id: id.clone(), name, payload }, move |world| world.raise_event(&id))
    }

    fn terminate(&self, id: &InstanceId, request: ControlRequest) -> Answered<'_, ()> {
        let call = Call::Terminate { id: id.clone(), request: request.clone() };
        let id = id.clone();
        self.reply(call, move |world| world.terminate(&id, &request))
    }

    fn suspend(&self, id: &InstanceId, request: ControlRequest) -> Answered<'_, ()> {
        let call = Call::Suspend { id: id.clone(), request: request.clone() };
        let id = id.clone();
        self.reply(call, move |world| world.suspend(&id, &request))
    }

    fn resume(&self, id: &InstanceId, request: ControlRequest) -> Answered<'_, ()> {
        let call = Call::Resume { id: id.clone(), request: request.clone() };
        let id = id.clone();
        self.reply(call, move |world| world.resume(&id, &request))
    }

    fn rewind(&self, id: &InstanceId, reason: Option<String>) -> Answered<'_, ()> {
        let id = id.clone();
        self.reply(Call::Rewind { id: id.clone(), reason }, move |world| world.rewind(&id))
    }

    fn restart(&self, id: &InstanceId, request: RestartRequest) -> Answered<'_, InstanceId> {
        let call = Call::Restart { id: id.clone(), request: request.clone() };
        let id = id.clone();
        self.reply(call, move |world| world.restart(&id, &request))
    }

    fn purge(&self, id: &InstanceId, request: PurgeRequest) -> Answered<'_, u64> {
        let call = Call::Purge { id: id.clone(), request: request.clone() };
        let id = id.clone();
        self.reply(call, move |world| world.purge(&id, &request))
    }

    fn purge_page(&self, query: InstanceQuery) -> Answered<'_, PurgePage> {
        self.reply(Call::PurgePage(query.clone()), move |world| Ok(world.purge_page(&query)))
    }

    fn list(&self, query: InstanceQuery) -> Answered<'_, InstancePage> {
        self.reply(Call::List(query.clone()), move |world| Ok(world.list(&query)))
    }

    fn count(&self, query: InstanceQuery) -> Answered<'_, Vec<InstanceCount>> {
        self.reply(Call::Count(query.clone()), move |world| Ok(world.count(&query)))
    }

    fn activities(&self, id: &InstanceId) -> Answered<'_, Option<Vec<PendingActivity>>> {
        let id = id.clone();
        // Nothing runs in the world, so no call is ever open.
        self.reply(Call::Activities { id: id.clone() }, move |world| Ok(world.status(&id).map(|_| Vec::new())))
    }

    fn history(&self, id: &InstanceId) -> Answered<'_, Option<Vec<HistoryEvent>>> {
        let id = id.clone();
        self.reply(Call::History { id: id.clone() }, move |world| Ok(world.history(&id)))
    }
}

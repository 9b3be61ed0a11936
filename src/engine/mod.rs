//! What turns decisions into builds: publish, tick, dispatch, and the loop around them.

pub mod dispatch;
pub mod estate;
pub mod explain;
pub mod publish;
pub mod run;
pub mod tick;
pub mod workspace;
